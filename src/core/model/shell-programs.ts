/**
 * The programs that a shell's command line is certain to need, read without running it. Only what must be there at the start counts: a
 * program that is missing in front of `||`, `;` or `&` stops nothing, and what comes after another program may be made by it. In doubt a
 * word is left out, because what is named here is refused when it is not there.
 *
 * Grammar: Shell Command Language (POSIX.1-2024, XCU 2.3, 2.9, 2.10).
 */

export interface ShellProgram {
  readonly word: string
  /** Whether the shell is still in the folder that it was started in: else a relative path leads elsewhere. */
  readonly isInPlace: boolean
}

export function shellPrograms(text: string): readonly ShellProgram[] {
  const found: ShellProgram[] = []
  let isInPlace = true
  for (const { commands, operator } of pipelinesOf(readTokens(text))) {
    const read = commands.map(readCommand)
    const names = read.map(({ name }) => name)
    if (read.some(({ changesPath }) => changesPath) || names.some((name) => name !== null && opaque.has(name))) break
    const [first] = names
    if (read.length === 1 && (first === undefined || first === null || first === '' || harmless.has(first))) {
      // An unknown word in front may be anything.
      if (first === null || operator === '||' || operator === '&') break
      if (first === 'cd') isInPlace = false
      continue
    }
    if (operator !== '&&' && operator !== null) break
    for (const name of names) if (name !== null && name !== '' && !builtins.has(name)) found.push({ word: name, isInPlace })
    break
  }
  return found
}

/** What the shell carries out itself, and that makes no file: what follows needs the same programs as before. */
const harmless: ReadonlySet<string> = new Set([
  ':',
  'cd',
  'export',
  'readonly',
  'set',
  'trap',
  'true',
  'ulimit',
  'umask',
  'unset',
])

/**
 * Words after which it is not known what will run: compound commands, what reads commands from elsewhere, an `exec` that only redirects or
 * has options, and what only bash carries out itself (bash(1), SHELL BUILTIN COMMANDS), which is /bin/sh on some hosts.
 */
const opaque: ReadonlySet<string> = new Set(
  [
    '! . [[ alias case do done elif else esac eval exec fi for function if select source then time until while { }',
    'bind builtin caller compgen complete compopt coproc declare dirs disown enable fc help history let logout mapfile popd pushd readarray',
    'shopt suspend typeset',
  ].flatMap((words) => words.split(' ')),
)

/** Words that the shell of Debian carries out itself (dash(1)), so that no program of that name is needed. */
const builtins: ReadonlySet<string> = new Set(
  ': [ bg break cd command continue echo exit export false fg getopts hash jobs kill local printf pwd read readonly return set shift test times trap true type ulimit umask unalias unset wait'.split(
    ' ',
  ),
)

interface Command {
  /** Null where only the shell can tell it; empty for assignments alone. */
  readonly name: string | null
  readonly changesPath: boolean
}

function readCommand(words: readonly Word[]): Command {
  const isAssignment = ({ text, start }: Word): boolean => /^[A-Za-z_][A-Za-z0-9_]*=/.test(start === 0 ? '' : text)
  const begin = words.findIndex((word) => !isAssignment(word))
  const rest = begin < 0 ? [] : words.slice(begin)
  const isExport = ['export', 'readonly', 'unset'].includes(rest[0]?.text ?? '')
  const settings = isExport ? words : words.slice(0, begin < 0 ? words.length : begin)
  const changesPath = settings.some(({ text }) => /^PATH(?:=|$)/.test(text))
  const replaces = rest[0]?.text === 'exec' && rest[1]?.text.startsWith('-') === false
  const named = replaces ? rest[1] : rest[0]
  if (named === undefined) return { name: '', changesPath }
  return { name: named.isPlain ? named.text : null, changesPath }
}

interface Word {
  readonly kind: 'word'
  /** Without its quotes. */
  readonly text: string
  /** Whether it stands for itself: nothing in it is expanded. */
  readonly isPlain: boolean
  /** Where its first quote stands in the text; 0 makes it no assignment. */
  readonly start: number
}

type Operator = '|' | '&&' | '||' | ';' | '&'
type Token = Word | { readonly kind: 'operator'; readonly operator: Operator }

interface Pipeline {
  readonly commands: readonly (readonly Word[])[]
  /** What stands behind it; null at the end. */
  readonly operator: Operator | null
}

function pipelinesOf(tokens: readonly Token[]): readonly Pipeline[] {
  const pipelines: Pipeline[] = []
  let commands: Word[][] = [[]]
  const close = (operator: Operator | null): void => {
    if (commands.length > 1 || commands[0]?.length !== 0) pipelines.push({ commands, operator })
    commands = [[]]
  }
  for (const token of tokens) {
    if (token.kind === 'word') commands.at(-1)?.push(token)
    else if (token.operator === '|') commands.push([])
    else close(token.operator)
  }
  close(null)
  return pipelines
}

/** Empty for a text with anything that is not read here: substitutions of commands, groups, here-documents, comments. */
function readTokens(text: string): readonly Token[] {
  const tokens: Token[] = []
  let at = 0
  while (at < text.length) {
    const rest = text.slice(at)
    const blank = /^(?:[ \t]|\\\n)+/.exec(rest)?.[0]
    const redirection = /^[0-9]*(?:>>|>\||[<>]&|<>|[<>])(?![<(])[ \t]*/.exec(rest)?.[0]
    const operator = /^(?:(?:&&|\|\|?)\s*|[;&\n])/.exec(rest)?.[0]
    if (blank !== undefined) at += blank.length
    else if (redirection !== undefined) {
      const target = readWord(text, at + redirection.length)
      if (target === null) return []
      at = target.end
    } else if (operator !== undefined) {
      tokens.push({ kind: 'operator', operator: operator === '\n' ? ';' : (operator.trim() as Operator) })
      at += operator.length
    } else {
      const word = readWord(text, at)
      if (word === null) return []
      tokens.push(word.word)
      at = word.end
    }
  }
  return tokens
}

/** One word from there on; null for what is not read here. */
function readWord(text: string, from: number): { readonly word: Word; readonly end: number } | null {
  const part =
    /(?<plain>[^\s;&|<>()'"\\$`*?[\]~#{}]+)|'(?<single>[^']*)'|"(?<double>(?:[^"\\`$]|\\[^]|\$(?!\())*)"|\\(?<escaped>[^\n])|(?<expanded>\$(?!\()|[*?[\]~{}#])/y
  let end = from
  let value = ''
  let isPlain = true
  let start = -1
  part.lastIndex = from
  for (let match = part.exec(text); match !== null; match = part.exec(text)) {
    const { plain, single, double, escaped, expanded } = match.groups ?? {}
    // At the start of a word it begins a comment, or a group.
    if (expanded !== undefined && match.index === from && '#{}'.includes(expanded)) return null
    if (plain === undefined && start < 0) start = value.length
    if (expanded !== undefined || (double !== undefined && /[\\$]/.test(double))) isPlain = false
    value += plain ?? single ?? double ?? escaped ?? expanded ?? ''
    end = part.lastIndex
  }
  const next = text[end]
  const isComplete = next === undefined || /[\s;&|<>]/.test(next)
  return isComplete && (value !== '' || start >= 0) ? { word: { kind: 'word', text: value, isPlain, start }, end } : null
}

/**
 * Completion scripts for bash, zsh and fish, made from the command tree. Names of services and slots are asked of the running daemon
 * at the key press, by a hidden command that never starts anything.
 */

import { Option } from 'commander'

import type { ArgumentSpec, CommandSpec, FlagSpec } from './command-spec.ts'
import { flagsOf } from './global-flags.ts'

export const shells = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof shells)[number]

export function renderCompletion(shell: Shell, commands: readonly CommandSpec[]): string {
  const entries = flatten(commands, [])
  switch (shell) {
    case 'bash':
      return renderBash(entries)
    case 'zsh':
      return renderZsh(entries)
    case 'fish':
      return renderFish(entries)
  }
}

interface Entry {
  /** `['daemon', 'run']`; every alias is an entry of its own. */
  readonly path: readonly string[]
  readonly spec: CommandSpec
}

function flatten(specs: readonly CommandSpec[], above: readonly string[]): readonly Entry[] {
  return specs
    .filter((spec) => spec.isHidden !== true)
    .flatMap((spec) =>
      [spec.name, ...(spec.aliases ?? [])].flatMap((name) => {
        const path = [...above, name]
        return [{ path, spec }, ...flatten(spec.children ?? [], path)]
      }),
    )
}

const topLevel = (entries: readonly Entry[]): readonly Entry[] => entries.filter((entry) => entry.path.length === 1)
const childrenOf = (entries: readonly Entry[], parent: Entry): readonly Entry[] =>
  entries.filter(
    (entry) => entry.path.length === parent.path.length + 1 && parent.path.every((word, index) => entry.path[index] === word),
  )

interface FlagWords {
  readonly words: readonly string[]
  readonly takesValue: boolean
  readonly spec: FlagSpec
}

const flagWords = (spec: CommandSpec): readonly FlagWords[] =>
  flagsOf(spec).map((flag) => {
    const option = new Option(flag.syntax)
    return { words: [option.short, option.long].filter((word) => word !== undefined), takesValue: option.required, spec: flag }
  })

/** What a command's arguments are, for a shell: a kind of names, fixed words, or files. */
const argumentKind = (spec: CommandSpec): NonNullable<ArgumentSpec['completes']> | null => spec.arguments?.[0]?.completes ?? null

function renderBash(entries: readonly Entry[]): string {
  const cases = entries.map((entry) => {
    const children = childrenOf(entries, entry).map((child) => child.path.at(-1))
    const flags = flagWords(entry.spec).flatMap((flag) => flag.words)
    return `    ${quote(entry.path.join(' '))}) flags=${quote(flags.join(' '))}; words=${quote(children.join(' '))}; kind=${quote(argumentKind(entry.spec) ?? '')} ;;`
  })
  const withValue = new Map<string, Set<ValueKind>>()
  for (const flag of entries.flatMap((entry) => flagWords(entry.spec)).filter((candidate) => candidate.takesValue)) {
    for (const word of flag.words) {
      const kinds = withValue.get(word) ?? new Set()
      withValue.set(word, kinds.add(flag.spec.completes ?? 'none'))
    }
  }
  const valued = [...withValue].filter(([word]) => !isAmbiguous(entries, word))
  const valueCases = valued.map(([word, kinds]) => `    ${word}) ${bashValue([...kinds][0] ?? 'none')}; return ;;`)
  return `# bash completion for daruma: source <(daruma completion bash)
_daruma() {
  local current previous command flags words kind names index
  COMPREPLY=()
  current=\${COMP_WORDS[COMP_CWORD]}
  previous=\${COMP_WORDS[COMP_CWORD-1]}
  command=''
  for ((index = 1; index < COMP_CWORD; index++)); do
    case "\${COMP_WORDS[index]}" in
      ${valued.map(([word]) => word).join('|')}) ((index++)) ;;
      --) return ;;
      -*) ;;
      *)
        if [ -z "$command" ]; then command=\${COMP_WORDS[index]}
        elif [[ " ${parentsOf(entries).join(' ')} " == *" $command "* ]]; then command="$command \${COMP_WORDS[index]}"
        fi ;;
    esac
  done
  case "$previous" in
${valueCases.join('\n')}
  esac
  case "$command" in
    '') flags=${quote(
      flagWords({ name: '', summary: '', examples: [] })
        .flatMap((flag) => flag.words)
        .join(' '),
    )}; words=${quote(
      topLevel(entries)
        .map((entry) => entry.path[0])
        .join(' '),
    )}; kind='' ;;
${cases.join('\n')}
    *) flags=''; words=''; kind='' ;;
  esac
  if [[ "$current" == -* ]]; then words=$flags; kind=''; fi
  case "$kind" in
    service) names=$(daruma __complete services 2>/dev/null) ;;
    target) names=$(daruma __complete targets 2>/dev/null) ;;
    project) names=$(daruma __complete projects 2>/dev/null) ;;
    shell) names=${quote(shells.join(' '))} ;;
    *) names='' ;;
  esac
  COMPREPLY=($(compgen -W "$words $names" -- "$current"))
}
complete -F _daruma daruma
`
}

/** \`-f\` is a file to one command and "follow" to another: its value is left to the shell. */
function isAmbiguous(entries: readonly Entry[], word: string): boolean {
  const uses = entries.flatMap((entry) => flagWords(entry.spec)).filter((flag) => flag.words.includes(word))
  return uses.some((flag) => flag.takesValue) && uses.some((flag) => !flag.takesValue)
}

type ValueKind = NonNullable<FlagSpec['completes']> | 'none'

/** Names that the daemon is asked for. */
const isOfNames = (kind: ValueKind | undefined): boolean => kind === 'service' || kind === 'project'

/** Commands that have commands of their own. */
const parentsOf = (entries: readonly Entry[]): readonly (string | undefined)[] =>
  topLevel(entries)
    .filter((entry) => childrenOf(entries, entry).length > 0)
    .map(({ path }) => path[0])

function bashValue(kind: ValueKind): string {
  if (kind === 'file') return 'COMPREPLY=($(compgen -f -- "$current"))'
  if (kind === 'directory') return 'COMPREPLY=($(compgen -d -- "$current"))'
  return isOfNames(kind) ? `COMPREPLY=($(compgen -W "$(daruma __complete ${kind}s 2>/dev/null)" -- "$current"))` : 'COMPREPLY=()'
}

function renderZsh(entries: readonly Entry[]): string {
  const describe = (list: readonly Entry[]): string =>
    list.map((entry) => quote(`${entry.path.at(-1)}:${entry.spec.summary}`)).join(' ')
  const cases = entries.map((entry) => {
    const children = childrenOf(entries, entry)
    const flags = flagWords(entry.spec).flatMap(zshFlags).map(quote).join(' ')
    const rest = children.length > 0 ? '' : zshArgument(argumentKind(entry.spec))
    const body =
      children.length > 0
        ? `local -a names; names=(${describe(children)}); (( CURRENT == 2 )) && _describe command names`
        : `_arguments -s ${flags} ${rest}`
    return `    ${quote(entry.path.join(' '))}) ${body} ;;`
  })
  return `#compdef daruma
# zsh completion for daruma: daruma completion zsh > "\${fpath[1]}/_daruma"
_daruma_names() {
  local -a names
  names=(\${(f)"$(daruma __complete $1 2>/dev/null)"})
  compadd -a names
}
_daruma() {
  local -a commands
  commands=(${describe(topLevel(entries))})
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  shift words
  (( CURRENT-- ))
  local command=$words[1]
  if [[ $command == (${parentsOf(entries).join('|')}) ]] && (( CURRENT > 2 )); then
    command="$command $words[2]"
    shift words
    (( CURRENT-- ))
  fi
  case $command in
${cases.join('\n')}
  esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then _daruma "$@"; else compdef _daruma daruma; fi
`
}

function zshFlags(flag: FlagWords): readonly string[] {
  const text = flag.spec.summary.replaceAll('[', '(').replaceAll(']', ')').replaceAll(':', ' -')
  const value = flag.takesValue ? `:value:${zshValue(flag.spec.completes)}` : ''
  const repeated = flag.spec.isList === true ? '*' : ''
  return flag.words.map((word) => `${repeated}${word}[${text}]${value}`)
}

function zshValue(kind: FlagSpec['completes']): string {
  if (kind === 'file') return '_files'
  if (kind === 'directory') return '_files -/'
  return isOfNames(kind) ? `_daruma_names ${kind}s` : ''
}

function zshArgument(kind: ReturnType<typeof argumentKind>): string {
  if (kind === 'shell') return quote(`1:shell:(${shells.join(' ')})`)
  if (kind === null) return ''
  return quote(`*:${kind}:_daruma_names ${kind}s`)
}

function renderFish(entries: readonly Entry[]): string {
  const top = topLevel(entries)
  const lines = [
    '# fish completion for daruma: daruma completion fish > ~/.config/fish/completions/daruma.fish',
    'complete -c daruma -f',
  ]
  for (const entry of top)
    lines.push(`complete -c daruma -n __fish_use_subcommand -a ${entry.path[0]} -d ${fishQuote(entry.spec.summary)}`)
  for (const entry of entries) {
    const [first, second] = entry.path
    const children = childrenOf(entries, entry)
    const seen = `__fish_seen_subcommand_from ${first}`
    const when = second === undefined ? seen : `${seen}; and __fish_seen_subcommand_from ${second}`
    const only =
      children.length === 0
        ? when
        : `${seen}; and not __fish_seen_subcommand_from ${children.map((child) => child.path.at(-1)).join(' ')}`
    for (const child of children)
      lines.push(`complete -c daruma -n ${fishQuote(only)} -a ${child.path.at(-1)} -d ${fishQuote(child.spec.summary)}`)
    for (const flag of flagWords(entry.spec)) lines.push(`complete -c daruma -n ${fishQuote(only)} ${fishFlag(flag)}`)
    const kind = argumentKind(entry.spec)
    if (kind === 'shell') lines.push(`complete -c daruma -n ${fishQuote(when)} -a ${fishQuote(shells.join(' '))}`)
    else if (kind !== null)
      lines.push(`complete -c daruma -n ${fishQuote(when)} -a ${fishQuote(`(daruma __complete ${kind}s 2>/dev/null)`)}`)
  }
  return `${lines.join('\n')}\n`
}

function fishFlag(flag: FlagWords): string {
  const words = flag.words.map((word) => (word.startsWith('--') ? `-l ${word.slice(2)}` : `-s ${word.slice(1)}`))
  const files = flag.spec.completes === 'file' || flag.spec.completes === 'directory' ? ' -F' : ''
  const kind = flag.spec.completes
  const names = isOfNames(kind) ? ` -a ${fishQuote(`(daruma __complete ${kind}s 2>/dev/null)`)}` : ''
  return `${words.join(' ')}${flag.takesValue ? ' -r' : ''}${files}${names} -d ${fishQuote(flag.spec.summary)}`
}

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`
const fishQuote = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`

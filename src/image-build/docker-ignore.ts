/**
 * The rules of a `.dockerignore` file, as Docker's own reader has them (moby/patternmatcher): the last pattern that matches decides, one
 * with `!` takes back, and what is below a matched folder is matched with it. A newcomer would take it for a `.gitignore`: here every
 * pattern begins at the root of the folder that is built. Held against the client of Docker 28 with random
 * patterns and trees; that of 20.10 lets an exception for a folder take back more of what is in it.
 */

interface Pattern {
  readonly text: string
  readonly expression: RegExp
  readonly isException: boolean
}

/** For each pattern, whether a folder or one above it matched: what is in the folder inherits it. */
export type Matched = readonly boolean[]

export class DockerIgnore {
  readonly #patterns: readonly Pattern[]

  /** Malformed lines match nothing. */
  constructor(text: string) {
    this.#patterns = text
      .replace(/^\uFEFF/, '')
      .split(/\r?\n/)
      .flatMap((line) => readPattern(line) ?? [])
  }

  /** Whether an ignored folder must be looked into: an exception names it, letter by letter. A `!**` does not, for Docker neither. */
  leadsOn(folder: string): boolean {
    return this.#patterns.some(({ text, isException }) => isException && `${text}/`.startsWith(`${folder}/`))
  }

  /** `path` is relative, without `./`; `above` is what its folder gave, null at the root. */
  match(path: string, above: Matched | null): { readonly isIgnored: boolean; readonly matched: Matched } {
    let isIgnored = false
    const matched = this.#patterns.map(({ expression, isException }, index) => {
      // A pattern that could not change the verdict is not tried, as in moby: only then are inherited matches the same as theirs.
      const isMatch = above?.[index] === true || (isException === isIgnored && expression.test(path))
      if (isMatch) isIgnored = !isException
      return isMatch
    })
    return { isIgnored, matched }
  }
}

function readPattern(line: string): Pattern | null {
  if (line.startsWith('#')) return null
  const trimmed = line.trim()
  const isException = trimmed.startsWith('!')
  const pattern = clean(isException ? trimmed.slice(1).trim() : trimmed)
  if (pattern === '') return null
  try {
    return { text: pattern, expression: new RegExp(`^${translate(pattern)}$`, 's'), isException }
  } catch {
    return null
  }
}

/** As Go's filepath.Clean; the slash at the beginning stands for the root, and what leads out of it matches nothing. */
function clean(pattern: string): string {
  const parts: string[] = []
  for (const part of pattern.split('/')) {
    if (part === '..' && (pattern.startsWith('/') || (parts.length > 0 && parts.at(-1) !== '..'))) parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return parts.join('/')
}

/** `*` and `?` stay within a segment, `**` goes over any number of them; `[…]` is as it is. */
function translate(pattern: string): string {
  let text = ''
  for (let at = 0; at < pattern.length; at += 1) {
    const letter = pattern[at]!
    if (letter === '*' && pattern[at + 1] === '*') {
      at += pattern[at + 2] === '/' ? 2 : 1
      text += at + 1 >= pattern.length ? '.*' : '(?:.*/)?'
    } else if (letter === '*') text += '[^/]*'
    else if (letter === '?') text += '[^/]'
    else if (letter === '\\') {
      at += 1
      text += escape(pattern[at] ?? '\\')
    } else text += letter === '[' || letter === ']' || letter === '-' || letter === '^' ? letter : escape(letter)
  }
  return text
}

const escape = (letter: string): string => letter.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&')

/**
 * How many columns a text takes, and cutting and padding by that. Not `length`: escape sequences take none, Japanese and emoji
 * take two.
 */

const escapeSequence = /\u001B\[[0-9;]*m/gu
const asciiOnly = /^[\u0020-\u007E]*$/

export function displayWidth(text: string): number {
  if (asciiOnly.test(text)) return text.length
  let width = 0
  for (const character of text.replace(escapeSequence, '')) width += characterWidth(character)
  return width
}

export function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - displayWidth(text)))
}

export function padStart(text: string, width: number): string {
  return ' '.repeat(Math.max(0, width - displayWidth(text))) + text
}

/** Cuts to `columns`, ending in `…` where something was cut; colours that were open are closed. */
export function truncate(text: string, columns: number): string {
  if (displayWidth(text) <= columns) return text
  if (columns <= 0) return ''
  let width = 0
  let kept = ''
  let isColoured = false
  for (const part of text.split(/(\u001B\[[0-9;]*m)/u)) {
    if (part.startsWith('\u001B')) {
      kept += part
      isColoured = true
      continue
    }
    for (const character of part) {
      const next = width + characterWidth(character)
      if (next > columns - 1) return `${kept}…${isColoured ? '\u001B[0m' : ''}`
      kept += character
      width = next
    }
  }
  return kept
}

/**
 * Breaks a line at its spaces so that it fits into `columns`; what follows stands below column `indent`. A word that is too long for
 * any line stays whole: a path or a link can be copied then.
 */
export function wrap(line: string, columns: number, indent: number): string {
  if (displayWidth(line) <= columns || columns - indent < 20) return line
  const margin = ' '.repeat(indent)
  const lines: string[] = []
  const [first = '', ...words] = line.split(' ')
  let current = first
  for (const word of words) {
    // What stands before the indent are columns of their own, and their spaces no place to break.
    if (displayWidth(current) > indent && displayWidth(`${current} ${word}`) > columns) {
      lines.push(current)
      current = `${margin}${word}`
    } else current = `${current} ${word}`
  }
  return [...lines, current].join('\n')
}

/**
 * Makes another's text safe to print: no cursor movement, no title changes, no bells. Colours stay where `keepColour`.
 */
export function sanitise(text: string, keepColour: boolean): string {
  if (asciiOnly.test(text)) return text
  let isColoured = false
  const safe = text
    // Operating-system commands (titles, links) with their payload, then every control sequence but colours.
    .replace(/\u001B\][^\u0007\u001B]*(?:\u0007|\u001B\\)/gu, '')
    .replace(/\u001B\[[0-?]*[ -/]*[@-~]/gu, (sequence) => {
      if (!keepColour || !/^\u001B\[[0-9;]*m$/u.test(sequence)) return ''
      isColoured = true
      return sequence
    })
    .replace(/\u001B(?!\[)[ -~]?/gu, '')
    .replace(/\t/g, '    ')
    .replace(/[\u0000-\u001A\u001C-\u001F\u007F-\u009F]/gu, '')
    .replace(/\u001B(?!\[[0-9;]*m)/gu, '')
  return isColoured ? `${safe}\u001B[0m` : safe
}

function characterWidth(character: string): number {
  const code = character.codePointAt(0) ?? 0
  if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return 0
  if (/\p{Mark}|\p{Default_Ignorable_Code_Point}/u.test(character)) return 0
  return isWide(code) ? 2 : 1
}

/** The East Asian wide and fullwidth blocks and the emoji that terminals draw in two columns (Unicode TR 11, by block). */
function isWide(code: number): boolean {
  return (
    code >= 0x1100 &&
    (code <= 0x115f ||
      (code >= 0x2e80 && code <= 0x303e) ||
      (code >= 0x3041 && code <= 0xa4cf) ||
      (code >= 0xac00 && code <= 0xd7a3) ||
      (code >= 0xf900 && code <= 0xfaff) ||
      (code >= 0xfe30 && code <= 0xfe6f) ||
      (code >= 0xff00 && code <= 0xff60) ||
      (code >= 0xffe0 && code <= 0xffe6) ||
      (code >= 0x1f300 && code <= 0x1f64f) ||
      (code >= 0x1f900 && code <= 0x1f9ff) ||
      (code >= 0x20000 && code <= 0x3fffd))
  )
}

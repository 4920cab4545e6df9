/**
 * Durations, sizes and shares of a CPU between the text a person writes and the base unit that the rest of Daruma counts in
 * (milliseconds, bytes, cores). A bare number is never a quantity: nobody can tell 30 seconds from 30 milliseconds.
 */

/** Timers hold a signed 32-bit number of milliseconds (24.8 days); a longer one would fire at once. */
export const longestDurationMs: number = 24 * 86_400_000

const durationUnits = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
  ['ms', 1],
] as const

const durationPattern =
  /^(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?$/

/** Milliseconds of `'30s'`, `'1m30s'`, `'250ms'`, `'1.5h'`; null for anything else, and for parts of a millisecond. */
export function parseDuration(text: string): number | null {
  if (text === '' || text.length > 64) return null
  const match = durationPattern.exec(text)
  if (match === null) return null
  let total = 0
  for (const [index, [, unitMs]] of durationUnits.entries()) total += Number(match[index + 1] ?? 0) * unitMs
  return wholeNumber(total)
}

/** The shortest text that {@link parseDuration} reads back as `durationMs`, a whole number ≥ 0: `1m30s`, `1.5s`, `250ms`. */
export function formatDuration(durationMs: number): string {
  if (durationMs === 0) return '0s'
  if (durationMs < 1000) return `${durationMs}ms`
  let rest = durationMs
  let text = ''
  for (const [unit, unitMs] of durationUnits.slice(0, 3)) {
    const count = Math.floor(rest / unitMs)
    if (count > 0) text += `${count}${unit}`
    rest -= count * unitMs
  }
  return rest === 0 ? text : `${text}${rest / 1000}s`
}

/** Decimal and binary units, as IEC 80000-13 names them. */
const sizeUnits: Readonly<Record<string, number>> = {
  TiB: 1024 ** 4,
  TB: 1000 ** 4,
  GiB: 1024 ** 3,
  GB: 1000 ** 3,
  MiB: 1024 ** 2,
  MB: 1000 ** 2,
  KiB: 1024,
  KB: 1000,
  B: 1,
}

/** Bytes of `'512MiB'`, `'1GB'`, `'1.5GiB'`; null for anything else, and for parts of a byte. */
export function parseSize(text: string): number | null {
  const match = /^(\d{1,16}(?:\.\d{1,12})?)([A-Za-z]{1,3})$/.exec(text)
  const unit = sizeUnits[match?.[2] ?? '']
  if (match === null || unit === undefined) return null
  return wholeNumber(Number(match[1]) * unit)
}

/** Exact text in the largest unit of which `bytes`, a whole number ≥ 0, is a multiple: `10MiB`, `1GB`, `1500B`. */
export function formatSize(bytes: number): string {
  if (bytes === 0) return '0B'
  for (const [name, unit] of Object.entries(sizeUnits)) if (bytes % unit === 0) return `${bytes / unit}${name}`
  return `${bytes}B`
}

/** What the writer of `'512m'` (Compose), `'512Mi'` (Kubernetes) or `'512 mib'` most likely meant; null when that is not clear. */
export function likelySize(text: string): string | null {
  const match = /^\s*(\d{1,16}(?:\.\d{1,12})?)\s*([kmgt])?i?b?\s*$/i.exec(text)
  if (match === null) return null
  const likely = match[2] === undefined ? `${match[1]}B` : `${match[1]}${match[2].toUpperCase()}iB`
  return parseSize(likely) === null ? null : likely
}

/** Whether `cores` is a share of a CPU that the kernel can hold: from a hundredth of a core, in steps of a thousandth. */
export function isCores(cores: number): boolean {
  return cores >= 0.01 && cores <= 1024 && wholeNumber(cores * 1000) !== null
}

/** `value` when it is whole up to the error of one multiplication of a decimal fraction (0.29 × 100), else null. */
function wholeNumber(value: number): number | null {
  const rounded = Math.round(value)
  if (!Number.isSafeInteger(rounded)) return null
  return Math.abs(value - rounded) <= 1e-9 * Math.max(1, rounded) ? rounded : null
}

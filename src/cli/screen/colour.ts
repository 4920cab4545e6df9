/** Colour, or none: the same functions either way, so that no renderer asks. NO_COLOR wins over a terminal, FORCE_COLOR over its absence. */

export type Paint = (text: string) => string

export interface Palette {
  readonly isColoured: boolean
  readonly bold: Paint
  readonly dim: Paint
  readonly red: Paint
  readonly green: Paint
  readonly yellow: Paint
  readonly cyan: Paint
  /** Told apart by eye; a name keeps its colour while its place in the list is the same. */
  readonly series: readonly Paint[]
}

const plain: Paint = (text) => text

export const noColour: Palette = {
  isColoured: false,
  bold: plain,
  dim: plain,
  red: plain,
  green: plain,
  yellow: plain,
  cyan: plain,
  series: [plain],
}

export const colour: Palette = {
  isColoured: true,
  bold: paint(1, 22),
  dim: paint(2, 22),
  red: paint(31, 39),
  green: paint(32, 39),
  yellow: paint(33, 39),
  cyan: paint(36, 39),
  series: [36, 33, 32, 35, 34, 96, 93, 92, 95, 94].map((code) => paint(code, 39)),
}

/** https://no-color.org: any non-empty NO_COLOR; FORCE_COLOR=0 means none. */
export function choosePalette(isTerminal: boolean, environment: Readonly<Record<string, string | undefined>>): Palette {
  const forced = environment['FORCE_COLOR']
  if (environment['NO_COLOR'] !== undefined && environment['NO_COLOR'] !== '') return noColour
  if (forced !== undefined && forced !== '') return forced === '0' || forced === 'false' ? noColour : colour
  return isTerminal && environment['TERM'] !== 'dumb' ? colour : noColour
}

function paint(open: number, close: number): Paint {
  return (text) => (text === '' ? '' : `\u001B[${open}m${text}\u001B[${close}m`)
}

/** `origins.json`, in a state directory: which config each of its projects was last applied from. */

export const originsFile: string = 'origins.json'

/** `file`: absolute; null where the config came over a pipe. */
export interface Origin {
  readonly file: string | null
  readonly stage: string | null
  readonly project: string
}

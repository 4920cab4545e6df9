/** Quantities as they are written: a number and its unit. */

/** A time with its unit: `'250ms'`, `'30s'`, `'1m30s'`, `'2h'`. A number alone is refused. */
export type Duration =
  | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`
  | `${number}d${number}h`
  | `${number}h${number}m`
  | `${number}m${number}s`
  | `${number}h${number}m${number}s`

/** A size with its unit: `'512MiB'` (binary), `'1GB'` (decimal). A number alone is refused. */
export type Size = `${number}${'B' | 'KB' | 'KiB' | 'MB' | 'MiB' | 'GB' | 'GiB' | 'TB' | 'TiB'}`

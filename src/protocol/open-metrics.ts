/**
 * The text format of OpenMetrics 1.0 (openmetrics.io): what is written for a set of families. A family's name carries its unit and no
 * `_total`; all of its samples stand together; the text ends in `# EOF`, so that half an answer is not taken for a whole one.
 */

export const openMetricsType: string = 'application/openmetrics-text; version=1.0.0; charset=utf-8'

export interface MetricFamily {
  /** With its unit as the last word: `daruma_daemon_memory_bytes`. */
  readonly name: string
  readonly type: 'gauge' | 'counter' | 'info' | 'stateset'
  readonly unit: 'bytes' | 'seconds' | 'cores' | ''
  readonly help: string
}

export interface Sample {
  /** Of a stateset: the family's own name stands for the state. */
  readonly labels: Readonly<Record<string, string | number>>
  readonly value: number
}

/** Families without samples are left out. */
export function renderOpenMetrics(
  families: readonly { readonly family: MetricFamily; readonly samples: readonly Sample[] }[],
): string {
  const blocks = families.filter(({ samples }) => samples.length > 0).map(({ family, samples }) => block(family, samples))
  return `${blocks.join('')}# EOF\n`
}

/** Seconds since 1970 of an ISO 8601 instant. */
export const unixSeconds = (instant: string): number => Date.parse(instant) / 1000

const suffixes: Readonly<Record<MetricFamily['type'], string>> = { gauge: '', counter: '_total', info: '_info', stateset: '' }

function block({ name, type, unit, help }: MetricFamily, samples: readonly Sample[]): string {
  const head = [`# TYPE ${name} ${type}`, ...(unit === '' ? [] : [`# UNIT ${name} ${unit}`]), `# HELP ${name} ${escape(help)}`]
  const lines = samples.map(({ labels, value }) => `${name}${suffixes[type]}${labelText(labels)} ${numberText(value)}`)
  return `${[...head, ...lines].join('\n')}\n`
}

function labelText(labels: Sample['labels']): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escape(String(value))}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

const escape = (text: string): string =>
  text
    .replaceAll('\\', String.raw`\\`)
    .replaceAll('\n', String.raw`\n`)
    .replaceAll('"', String.raw`\"`)

const numberText = (value: number): string =>
  Number.isFinite(value) ? String(value) : Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'

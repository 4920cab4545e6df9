/**
 * A strict reader of OpenMetrics 1.0 text, written from the specification and not from our writer: it throws at the first line that a
 * scraper might refuse. Exemplars, histograms and timestamps are refused too, because we write none.
 */

export interface Family {
  readonly type: string
  readonly unit: string
  readonly help: string
  readonly samples: Point[]
}

export interface Point {
  readonly name: string
  readonly labels: ReadonlyMap<string, string>
  readonly value: number
}

const metricName = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const suffixOf: Readonly<Record<string, string>> = { gauge: '', counter: '_total', info: '_info', stateset: '', unknown: '' }

export function readOpenMetrics(text: string): ReadonlyMap<string, Family> {
  if (!text.endsWith('# EOF\n')) throw new Error('does not end in "# EOF" and a line feed')
  const lines = text.split('\n').slice(0, -2)
  const families = new Map<string, Family & { unit: string; help: string }>()
  let open: string | null = null
  const seen = new Set<string>()
  for (const [index, line] of lines.entries()) {
    const fail = (why: string): never => {
      throw new Error(`line ${index + 1}: ${why}: ${line}`)
    }
    if (line === '' || line.includes('\r')) fail('is empty or has a carriage return')
    const meta = /^# (TYPE|UNIT|HELP) (\S+) (.*)$/.exec(line)
    if (line.startsWith('#') && meta === null) fail('is neither TYPE, UNIT nor HELP')
    if (meta !== null) {
      const [, kind = '', name = '', rest = ''] = meta
      if (!metricName.test(name)) fail('has a name that cannot be one')
      if (kind === 'TYPE') {
        if (families.has(name)) fail('comes a second time')
        if (suffixOf[rest] === undefined) fail('has an unknown type')
        if (/_(?:total|info|created|bucket|count|sum)$/.test(name)) fail('has a reserved suffix')
        families.set(name, { type: rest, unit: '', help: '', samples: [] })
        open = name
        continue
      }
      const family = families.get(name)
      if (family === undefined || open !== name) return fail('stands apart from its TYPE')
      if (family.samples.length > 0) fail('stands behind its samples')
      if (kind === 'UNIT') {
        if (rest === '' || !name.endsWith(`_${rest}`)) fail('has a unit that its name does not end in')
        if (family.type === 'info' || family.type === 'stateset') fail('has a unit, which its type may not have')
        family.unit = rest
      } else family.help = unescape(rest, fail)
      continue
    }
    const point = readPoint(line, fail)
    const family = open === null ? undefined : families.get(open)
    if (open === null || family === undefined || point.name !== `${open}${suffixOf[family.type]}`)
      return fail(`does not belong to the family ${open}`)
    const key = `${point.name} ${[...point.labels]
      .map((pair) => JSON.stringify(pair))
      .toSorted()
      .join()}`
    if (seen.has(key)) fail('comes a second time')
    seen.add(key)
    if (family.type === 'counter' && !(point.value >= 0)) fail('is a counter below zero')
    if (family.type === 'info' && point.value !== 1) fail('is an info that is not 1')
    if (family.type === 'stateset' && (![0, 1].includes(point.value) || !point.labels.has(open)))
      fail('is no state of a stateset')
    family.samples.push(point)
  }
  for (const [name, { help, samples }] of families)
    if (help === '' || samples.length === 0) throw new Error(`${name} has no help or no samples`)
  return families
}

type Fail = (why: string) => never

function readPoint(line: string, fail: Fail): Point {
  const head = /^([^\s{]+)(.*)$/.exec(line)
  const name = head?.[1] ?? ''
  if (!metricName.test(name)) fail('has a name that cannot be one')
  let rest = head?.[2] ?? ''
  const labels = new Map<string, string>()
  if (rest.startsWith('{')) {
    rest = rest.slice(1)
    while (!rest.startsWith('}')) {
      const label = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"(,(?=[a-zA-Z_])|(?=\}))/.exec(rest)
      if (label === null) return fail('has labels that cannot be read')
      const [whole, key = '', value = ''] = label
      if (labels.has(key)) fail(`has the label ${key} twice`)
      labels.set(key, unescape(value, fail))
      rest = rest.slice(whole.length)
    }
    rest = rest.slice(1)
  }
  const number = /^ (-?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Inf)|\+Inf|NaN)$/i.exec(rest)?.[1]
  if (number === undefined) return fail('has no value, or more than one')
  return { name, labels, value: Number(number.replace('Inf', 'Infinity')) }
}

function unescape(text: string, fail: Fail): string {
  if (/\\(?![\\n"])/.test(text.replaceAll('\\\\', ''))) fail('has an unknown escape')
  return text.replaceAll(/\\([\\n"])/g, (_, letter: string) => (letter === 'n' ? '\n' : letter))
}

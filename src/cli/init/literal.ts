/** A plain value as TypeScript source, in the house's own style; a secret as the call that makes it. */

export function literal(value: unknown, depth: number): string {
  if (typeof value === 'string') return text(value)
  if (typeof value !== 'object' || value === null) return String(value)
  if (Array.isArray(value)) return `[${value.map((item) => literal(item, depth)).join(', ')}]`
  const fields = value as Readonly<Record<string, unknown>>
  if (fields['from'] === 'environment' && typeof fields['name'] === 'string') return `secret(${text(fields['name'])})`
  const entries = Object.entries(fields).filter(([, item]) => item !== undefined)
  if (entries.length === 0) return '{}'
  const written = entries.map(([key, item]) => `${propertyName(key)}: ${literal(item, depth + 1)}`)
  const line = `{ ${written.join(', ')} }`
  if (line.length + depth * 2 <= 100 || depth === 0) return line
  const indent = '  '.repeat(depth)
  return `{\n${written.map((field) => `${indent}  ${field},\n`).join('')}${indent}}`
}

export function propertyName(key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? key : text(key)
}

function text(value: string): string {
  const inside = JSON.stringify(value).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")
  return `'${inside.replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029')}'`
}

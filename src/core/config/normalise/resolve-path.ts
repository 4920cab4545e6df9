/** POSIX path resolution without Node: `base` is absolute, `path` may be; `.`, `..` and doubled slashes go. */
export function resolvePath(base: string, path: string): string {
  const whole = path.startsWith('/') ? path : `${base}/${path}`
  const parts: string[] = []
  for (const part of whole.split('/')) {
    if (part === '..') parts.pop()
    else if (part !== '' && part !== '.') parts.push(part)
  }
  return `/${parts.join('/')}`
}

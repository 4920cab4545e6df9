/** Writes the pages that are made from the source: `node scripts/docs.ts`. A test fails when one of them is stale. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { renderConfigReference } from '../src/core/config/reference.ts'
import { renderMetricsReference } from '../src/daemon/metrics/metric-families.ts'

const pages: Readonly<Record<string, () => string>> = {
  'docs/reference/config.md': renderConfigReference,
  'docs/reference/metrics.md': renderMetricsReference,
}

for (const [page, render] of Object.entries(pages)) {
  const file = fileURLToPath(new URL(`../${page}`, import.meta.url))
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, render())
  console.log(`wrote ${page}`)
}

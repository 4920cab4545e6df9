import assert from 'node:assert/strict'
import { appendFileSync, cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

import { collectorProgram, digestOf } from './collector-program.ts'

test('a change of anything that the collector is made of is another collector, and of nothing else', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'daruma-test-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const source = join(collectorProgram, '../..')
  for (const part of ['core', 'host', 'ports', 'system']) cpSync(join(source, part), join(folder, part), { recursive: true })
  const program = join(folder, 'host/log-collector.ts')
  assert.equal(digestOf(program), digestOf(collectorProgram))
  const digests = new Set([digestOf(program)])
  for (const name of ['host/log-collector.ts', 'host/logs/collector.ts', 'host/logs/segments.ts', 'system/libc.ts']) {
    appendFileSync(join(folder, name), '// another\n')
    digests.add(digestOf(program))
  }
  assert.equal(digests.size, 5)
  appendFileSync(join(folder, 'host/keeper.sh'), '# another\n')
  appendFileSync(join(folder, 'system/errno.test.ts'), '// another\n')
  assert.ok(digests.has(digestOf(program)))
})

/**
 * `npm run lab`: the tests that need a real systemd, on lab hosts of this machine (`host.ts`). Not part of CI: it wants root and Debian,
 * and the first run makes a file system of 160 MB from packages, which stays.
 */

import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { filesBelow, root } from '../../scripts/tree.ts'
import { baseDirectory, missingForLab } from './ground.ts'

/** All that one layout goes through takes about a minute. */
const testLimitMs = 600_000

const missing = missingForLab()
if (missing !== null) {
  console.error(`lab: ${missing}`)
  process.exitCode = 1
} else {
  if (!existsSync(baseDirectory)) makeBase()
  const files = filesBelow('test/lab', (name) => name.endsWith('-lab.ts'))
  const options = ['--test', `--test-timeout=${testLimitMs}`, '--test-concurrency=1', '--test-reporter=spec']
  const words = process.argv.slice(2).map((word) => `--test-name-pattern=${word}`)
  const result = spawnSync(process.execPath, [...options, ...words, ...files], { cwd: root, stdio: 'inherit' })
  process.exitCode = result.status ?? 1
}

function makeBase(): void {
  console.log(`lab: making ${baseDirectory}, once`)
  const { status } = spawnSync('/bin/sh', [join(import.meta.dirname, 'make-base.sh'), baseDirectory], { stdio: 'inherit' })
  if (status !== 0) throw new Error('the lab has no base file system')
}

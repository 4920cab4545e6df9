import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { balancerSlot } from '../core/balance/balancer-service.ts'
import { asServiceName, slotId } from '../core/model/id.ts'
import { readLog } from './logs/read-log.ts'
import { ensureSlot, parseSlotName, renderNumber, slotName, slotPaths } from './slot-files.ts'

test('a slot is found again by the name of its directory, the balancer’s too', () => {
  for (const slot of [slotId(asServiceName('web'), 12), slotId(asServiceName('a-b2'), 0), balancerSlot])
    assert.equal(parseSlotName(slotName(slot)), slot)
  for (const name of ['web', 'web.', '.0', 'web.0.1', '@.0', 'Web.0', 'web.x']) assert.equal(parseSlotName(name), null)
})

test('the log of a former Daruma is read while its instance runs, and begins the new one without its hole', async (t) => {
  const state = mkdtempSync(join(tmpdir(), 'daruma-bed-'))
  t.after(() => rmSync(state, { recursive: true, force: true }))
  const paths = slotPaths(state, slotId(asServiceName('web'), 0))
  mkdirSync(paths.directory, { recursive: true })
  const former = join(paths.directory, 'log')
  const hole = 1 << 20
  // On a block, as the groomer punched them.
  writeFileSync(former, `${'x'.repeat(hole)}rest\n${'kept\n'.repeat(3)}`)
  writeFileSync(`${former}.head`, renderNumber(hole))
  assert.equal(spawnSync('fallocate', ['--punch-hole', '--offset', '0', '--length', `${hole}`, former]).status, 0)
  const last = async (): Promise<readonly string[]> =>
    (await readLog(paths.directory, { lines: 3 }, 1 << 16)).entries.map(({ text }) => text)
  assert.deepEqual(await last(), ['kept', 'kept', 'kept'])
  ensureSlot(paths, 1 << 24)
  assert.deepEqual(await last(), ['kept', 'kept', 'kept'])
  assert.deepEqual([existsSync(former), existsSync(`${former}.head`)], [false, false])
  const size = statSync(join(paths.directory, 'log.0000000000000000'), { throwIfNoEntry: false })?.size
  // A file system that cannot cut a file's front loses what was before.
  assert.ok(size === undefined || size === 20)
})

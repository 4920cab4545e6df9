/** Which tests are unit tests is read off their imports; here the reading is shown each way in, and that it sees what there is. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readSource } from '../../scripts/tidy/source.ts'
import { findOutside, unitTests } from '../../scripts/unit-tests.ts'

const files = {
  'src/a.test.ts': `import { b } from './b.ts'\nimport type { c } from './c.ts'\n`,
  'src/b.ts': `const later = () => import('./c.ts')\n`,
  'src/c.ts': `import { spawn } from 'node:child_process'\n`,
  'src/d.test.ts': `import { e } from './e.ts'\n`,
  'src/e.ts': `export { c } from './c.ts'\n`,
}
const sources = new Map(Object.entries(files).map(([path, text]) => [path, readSource(path, text)]))

test('what starts a process is no unit test, however far away it does; types and what is loaded later do not count', () => {
  assert.equal(findOutside('src/a.test.ts', sources), null)
  assert.equal(findOutside('src/d.test.ts', sources), 'node:child_process in src/c.ts')
})

test('the unit tests of the core, the sdk, the protocol, the commands and the simulator are among them; the lab is not', () => {
  const found = unitTests()
  for (const path of [
    'src/core/keys/every-key.test.ts',
    'src/sdk/types.test.ts',
    'src/protocol/schema.test.ts',
    'src/cli/up.test.ts',
    'src/sim/daemon.test.ts',
  ]) {
    assert.ok(found.includes(path), path)
  }
  // The table of mutations is text about the sources.
  const ofTest = found.filter((path) => path.startsWith('test/') && !path.startsWith('test/house/'))
  assert.deepEqual(ofTest, ['test/mutations/table.test.ts'])
  assert.ok(found.length > 70, `only ${found.length}`)
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { compareManifests, describeChanges } from './changes.ts'
import { findBadLinks } from './links.ts'
import { makeManifest, type ManifestEntry, parseManifest, renderManifest } from './manifest.ts'

const file = (path: string, letter: string = 'a'): ManifestEntry => ({
  kind: 'file',
  path,
  isExecutable: false,
  size: 3,
  sha256: letter.repeat(64),
})
const link = (path: string, target: string): ManifestEntry => ({ kind: 'link', path, target })

describe('a manifest', () => {
  it('comes back as it was written, whatever the names are', () => {
    const segment = fc.string({ minLength: 1, maxLength: 12, unit: 'binary' }).filter((text) => !/[/\0]|^\.{1,2}$/.test(text))
    fc.assert(
      fc.property(fc.uniqueArray(segment, { minLength: 1, maxLength: 20 }), (names) => {
        const manifest = makeManifest(
          names.map((name, index) => (index % 3 === 0 ? link(`${name}`, '../x\n') : file(`d${index}/${name}`))),
        )
        const parsed = parseManifest(renderManifest(manifest))
        assert.deepEqual(parsed, { manifest })
      }),
    )
  })

  it('has the same text in whatever order the files were found', () => {
    const entries = [file('b'), file('a/z'), { kind: 'folder' as const, path: 'empty' }, link('l', 'b')]
    assert.equal(renderManifest(makeManifest(entries)), renderManifest(makeManifest(entries.toReversed())))
  })

  const faults: Readonly<Record<string, readonly ManifestEntry[]>> = {
    'a path that leads out': [file('../etc/passwd')],
    'a path from the root': [file('/etc/passwd')],
    'a path with a dot': [file('a/./b')],
    'an empty path': [file('')],
    'the same path twice': [file('a'), file('a')],
    'something below a link': [link('a', 'b'), file('a/c')],
    'something below a file, with a name that sorts between': [file('a'), file('a-b'), file('a/c')],
  }
  for (const [what, entries] of Object.entries(faults)) {
    it(`with ${what} is refused`, () => {
      assert.ok('fault' in parseManifest(renderManifest({ entries })))
    })
  }

  it('that was cut anywhere is refused', () => {
    const whole = renderManifest(makeManifest([file('a'), file('b', 'b'), link('c', 'a')]))
    const lines = whole.split('\n').map((_line, index, all) => all.slice(0, index).join('\n'))
    for (const text of [...lines, whole.slice(0, -1), whole.slice(0, -9)]) assert.ok('fault' in parseManifest(text), text)
  })
})

describe('a link', () => {
  const bad = (...entries: readonly ManifestEntry[]): readonly string[] =>
    findBadLinks(makeManifest(entries)).map(({ path }) => path)

  it('inside the source is kept, whether or not something is there', () => {
    assert.deepEqual(bad(link('a', 'b'), link('d/e', '../b'), link('here', '.'), link('d/up', '..')), [])
  })

  it('that leads out is found, by an absolute path too', () => {
    assert.deepEqual(bad(link('a', '../b'), link('d/e', '../../b'), link('f', '/etc/passwd')), ['a', 'd/e', 'f'])
  })

  it('that leads out only through another link is found: `..` is above where that one leads', () => {
    assert.deepEqual(bad(link('d/e/l', '../../x'), link('d/e/m', 'l/../../out'), file('x/y')), ['d/e/m'])
  })

  it('in a circle is found', () => {
    assert.deepEqual(bad(link('a', 'b'), link('b', 'a')), ['a', 'b'])
  })
})

describe('what changed', () => {
  it('is told by path, with what is new and what is gone', () => {
    const before = makeManifest([file('a'), file('b'), file('c')])
    const after = makeManifest([file('a', 'b'), file('c'), file('d')])
    const changes = compareManifests(before, after)
    assert.equal(describeChanges(changes), '3 files changed: a, b (gone), +1')
    assert.deepEqual(compareManifests(before, before), [])
    assert.equal(describeChanges(compareManifests(after, makeManifest([file('a', 'b'), file('c')]))), '1 file changed: d (gone)')
  })

  it('is a mode too, and a file that became a link', () => {
    const executable: ManifestEntry = { ...file('a'), isExecutable: true } as ManifestEntry
    assert.equal(compareManifests(makeManifest([file('a')]), makeManifest([executable])).length, 1)
    assert.equal(compareManifests(makeManifest([file('a')]), makeManifest([link('a', 'b')])).length, 1)
  })
})

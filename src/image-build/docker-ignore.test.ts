import assert from 'node:assert/strict'
import test from 'node:test'
import { DockerIgnore, type Matched } from './docker-ignore.ts'

/** The verdict on a path, its folders looked at first, as a walk does. */
function isIgnored(ignore: DockerIgnore, path: string): boolean {
  let above: Matched | null = null
  let verdict = false
  const parts = path.split('/')
  for (let depth = 1; depth <= parts.length; depth += 1) {
    const answer = ignore.match(parts.slice(0, depth).join('/'), above)
    above = answer.matched
    verdict = answer.isIgnored
  }
  return verdict
}

/** Patterns, paths that are ignored, paths that are not: cases of moby/patternmatcher's own tests, and of Docker's reference. */
const table: readonly (readonly [patterns: string, ignored: readonly string[], kept: readonly string[]])[] = [
  ['', [], ['a', 'a/b']],
  ['# a comment\n\n  \nfile', ['file', 'file/inside'], ['# a comment', 'dir/file']],
  ['/file', ['file'], ['dir/file']],
  ['./dir/', ['dir', 'dir/x/y'], ['dirx', 'a/dir']],
  ['*', ['a', 'a/b', '.hidden'], []],
  ['*.log', ['x.log', '.log'], ['a/x.log', 'x.logs']],
  ['**/*.log', ['x.log', 'a/x.log', 'a/b/x.log'], ['x.log.txt']],
  ['**', ['a', 'a/b'], []],
  ['**/node_modules', ['node_modules', 'node_modules/a', 'a/b/node_modules/c/d'], ['node_modules2', 'a/xnode_modules']],
  ['a/**/b', ['a/b', 'a/x/b', 'a/x/y/b', 'a/x/b/c'], ['a', 'b', 'xa/b']],
  ['dir/**', ['dir/a', 'dir/a/b'], ['dir', 'dirx/a']],
  ['*/temp*', ['some/temp', 'some/temporary.txt'], ['temp', 'a/b/temp']],
  ['*/*/temp*', ['a/b/temp'], ['a/temp']],
  ['temp?', ['tempa', 'tempb'], ['temp', 'tempab', 'temp/']],
  ['[a-c].txt', ['a.txt', 'c.txt'], ['d.txt']],
  ['[^a-c].txt', ['d.txt'], ['a.txt']],
  ['a.b', ['a.b'], ['axb']],
  ['a(b)+{c}$|d', ['a(b)+{c}$|d'], ['ab']],
  ['a\\*b', ['a*b'], ['axb']],
  ['[', [], ['[', 'a']],
  ['*.md\n!README.md', ['x.md'], ['README.md', 'a/x.md']],
  ['*.md\n!README*.md\nREADME-secret.md', ['x.md', 'README-secret.md'], ['README-1.md']],
  ['*.md\nREADME-secret.md\n!README*.md', ['x.md'], ['README-secret.md']],
  ['dir\n!dir/keep', ['dir', 'dir/x'], ['dir/keep', 'dir/keep/below']],
  ['**\n!src', ['a', 'a/src'], ['src', 'src/a/b']],
  ['a/../b', ['b'], ['a']],
  ['../a', [], ['a', 'b/a']],
  ['/../a', ['a'], ['b/a']],
  [' ! x \nx', ['x'], []],
  ['\uFEFFx\r\ny\r', ['x', 'y'], ['z']],
]

for (const [patterns, ignored, kept] of table) {
  test(`patterns ${JSON.stringify(patterns)}`, () => {
    const ignore = new DockerIgnore(patterns)
    assert.deepEqual(
      { ignored: ignored.filter((path) => !isIgnored(ignore, path)), kept: kept.filter((path) => isIgnored(ignore, path)) },
      { ignored: [], kept: [] },
    )
  })
}

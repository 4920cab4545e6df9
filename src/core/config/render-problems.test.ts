import assert from 'node:assert/strict'
import test from 'node:test'
import { type LocatedProblem, renderProblems } from './render-problems.ts'

const problem: LocatedProblem = {
  code: 'E_CONFIG_VALUE',
  path: ['services', 'web', 'replicas'],
  message: '-1 is not accepted here',
  allowed: 'a whole number from 0 to 1000',
  suggestion: '1',
  file: '/srv/daruma.config.ts',
  line: 5,
  column: 17,
  source: '      replicas: -1,',
}

test('a problem is shown with its place, its line, a caret, what is allowed and what was meant', () => {
  assert.equal(
    renderProblems([problem]),
    [
      '/srv/daruma.config.ts:5:17  services.web.replicas  -1 is not accepted here [E_CONFIG_VALUE]',
      '  5 |       replicas: -1,',
      '    |                 ^',
      '  allowed: a whole number from 0 to 1000',
      '  did you mean 1?',
    ].join('\n'),
  )
})

test('what is not known is left out', () => {
  const bare = { ...problem, path: [], allowed: null, suggestion: null, line: null, column: null, source: null }
  assert.equal(
    renderProblems([bare, { ...bare, file: null }]),
    '/srv/daruma.config.ts  -1 is not accepted here [E_CONFIG_VALUE]\n\n-1 is not accepted here [E_CONFIG_VALUE]',
  )
})

test('the caret stands under its column after tabs and wide characters', () => {
  const [, line, caret] = renderProblems([{ ...problem, source: '\tこ: x', column: 5 }]).split('\n')
  assert.deepEqual([line, caret], ['  5 |   こ: x', '    |   　  ^'])
})

test('of a very long line the part around the column is shown', () => {
  const source = `${'a'.repeat(500)}X${'b'.repeat(500)}`
  const [, line = '', caret = ''] = renderProblems([{ ...problem, source, column: 501 }]).split('\n')
  assert.ok(line.length < 140, line)
  assert.equal(line[caret.indexOf('^')], 'X')
})

test('a path is written as it would be typed, and a paint colours each part once', () => {
  const odd = { ...problem, path: ['services', 'my-web', 'volumes', '/data', '0'] }
  const painted = renderProblems([odd], {
    paint: (text, as) => `<${as}>${text}</>`,
    displayPath: (file) => file.replace('/srv/', ''),
  })
  assert.equal(
    painted.split('\n')[0],
    '<place>daruma.config.ts:5:17</>  <path>services.my-web.volumes["/data"][0]</>  <message>-1 is not accepted here</> <hint>[E_CONFIG_VALUE]</>',
  )
})

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { isWaitingShell, launchWords } from './shell-command.ts'

const ofText = (text: string): readonly string[] => launchWords(['/bin/sh', '-c', text], 'SIGTERM')

test('one simple command takes the place of its shell', () => {
  assert.deepEqual(ofText('node server.js'), ['/bin/sh', '-c', 'exec node server.js'])
  assert.deepEqual(ofText(' node --title "a b" $FILE > log '), ['/bin/sh', '-c', 'exec node --title "a b" $FILE > log'])
})

test('anything else keeps a shell that waits', () => {
  for (const text of [
    'cd web && node a.js',
    'a; b',
    'A=1 node a.js',
    'exit 3',
    'node a.js | tee log',
    'a\nb',
    'if true',
    '"my program"',
    '$PROGRAM',
  ]) {
    const words = ofText(text)
    assert.deepEqual(words, ['/bin/sh', '-c', `trap 'exit 143' TERM; ${text}`])
    assert.ok(isWaitingShell(words))
  }
})

test('an array is run as it is written', () => {
  for (const words of [
    ['node', 'a.js'],
    ['sh', '-c', 'a; b'],
    ['/bin/sh', '-c', 'a; b', 'name'],
  ]) {
    assert.deepEqual(launchWords(words, 'SIGTERM'), words)
  }
})

test('a real shell runs both forms to the same end', () => {
  for (const [text, code] of [
    ['true', 0],
    ['exit 3', 3],
    ['cd / && test -d etc', 0],
    ['sh -c "exit 4"', 4],
    ['X=5; exit $X', 5],
  ] as const) {
    const [program = '', ...words] = ofText(text)
    assert.equal(spawnSync(program, words).status, code, text)
  }
})

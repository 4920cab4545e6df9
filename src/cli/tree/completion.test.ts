import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'

import { renderCompletion, shells } from './completion.ts'
import { commands } from './tree.ts'

const missing = (program: string): string | false =>
  spawnSync(program, ['--version']).error === undefined ? false : `${program} is not installed`

for (const shell of shells) {
  test(`the ${shell} script is accepted by ${shell} itself`, { skip: missing(shell) }, () => {
    const { status, stderr } = spawnSync(shell, ['-n'], { input: renderCompletion(shell, commands), encoding: 'utf8' })
    assert.deepEqual({ status, stderr }, { status: 0, stderr: '' })
  })
}

/** Presses Tab in a real bash, with a `daruma` that knows two services. */
function complete(words: readonly string[]): readonly string[] {
  const script = `daruma() { [ "$1 $2" = '__complete services' ] && printf 'web\\nworker\\n' || printf 'web\\nweb/0\\nworker\\n'; }
${renderCompletion('bash', commands)}
COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}; _daruma; printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stdout, stderr } = spawnSync('bash', ['-c', script], { encoding: 'utf8' })
  assert.equal(stderr, '')
  return stdout.trim().split('\n')
}

test('in bash, Tab completes commands, flags, services, and the values of flags', () => {
  assert.deepEqual(complete(['daruma', 'st']), ['status', 'stop', 'start'])
  assert.deepEqual(complete(['daruma', 'daemon', 'in']), ['install'])
  assert.deepEqual(complete(['daruma', 'up', '--w']), ['--wait'])
  assert.deepEqual(complete(['daruma', 'logs', 'we']), ['web', 'web/0'])
  assert.deepEqual(complete(['daruma', '--state', '/x', 'restart', 'wo']), ['worker'])
  assert.deepEqual(complete(['daruma', 'up', '--only', 'wo']), ['worker'])
  assert.deepEqual(complete(['daruma', 'completion', 'f']), ['fish'])
})

/** What a command says, through real pipes: to a slow reader, to one that leaves, to a disk that is full. */

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'

import { hangLimit } from '../../test/hang-limit.ts'
import { type Answer, fakeDaemon, usedState } from '../../test/cli/harness.ts'
import { baseEnvironment } from '../../test/daemon-harness.ts'
import type { StatusAnswer } from '../protocol/api.ts'

const entry = fileURLToPath(new URL('./cli.ts', import.meta.url))

/** Far more than the 64 KiB that a pipe holds by itself. */
const longName = 'x'.repeat(60)
const many = Array.from({ length: 5000 }, (_, index) => index)
const lastOne = many.length - 1

const status = {
  project: 'shop',
  stage: null,
  revision: 1,
  daemon: { pid: 99, startedAt: '2026-11-22T09:00:00.000Z', memoryBytes: 1, condition: null },
  operation: null,
  services: many.map((index) => ({
    service: `s${index}`,
    kind: 'replicas',
    desired: 0,
    ready: 0,
    guarantee: 'strict',
    stoppedByHand: false,
    routes: [],
    gap: null,
    canary: null,
  })),
  instances: [],
} as unknown as StatusAnswer

const metrics: Answer = (_request, response) => void response.end(many.map((index) => `m_${longName} ${index}\n`).join(''))
const moment = (index: number): string => new Date(Date.parse('2026-11-22T09:00:00.000Z') + index).toISOString()
const logLine = (index: number): object => ({
  service: 's1',
  slot: 's1/0',
  epoch: 1,
  at: moment(index),
  line: `${longName} ${index}`,
})
const event = (index: number): object => ({
  number: index,
  at: '2026-11-22T09:00:00.000Z',
  kind: 'instance-started',
  slot: 's1/0',
  epoch: 1,
  message: `${longName} ${index}`,
  cause: null,
})

const answers: Readonly<Record<string, Answer>> = {
  'GET /v1/status': { json: status },
  'GET /v1/metrics': metrics,
  'GET /v1/logs?lines=5000': { lines: many.map(logLine) },
  'GET /v1/events?limit=5000': { lines: many.map(event) },
  'GET /v1/revisions': { status: 400, code: 'E_REFUSED', message: `${`${longName}\n`.repeat(5000)}${lastOne}` },
}

interface Outcome {
  readonly codes: readonly number[]
  readonly stdout: string
  readonly stderr: string
}

/** Runs `script` in a shell that knows `daruma`; ends with the exit codes of its last pipeline. */
async function inShell(script: string): Promise<Outcome> {
  const daruma = `daruma() { '${process.execPath}' '${entry}' "$@"; }`
  const child = spawn('bash', ['-c', `${daruma}; ${script}; echo "codes \${PIPESTATUS[*]}" >&2`], {
    env: baseEnvironment(),
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (part: string) => (stdout += part))
  child.stderr.setEncoding('utf8').on('data', (part: string) => (stderr += part))
  // A command that hangs is ended with its whole pipeline.
  const limit = setTimeout(() => process.kill(-child.pid!, 'SIGKILL'), hangLimit(120_000))
  await new Promise((resolve) => child.once('close', resolve))
  clearTimeout(limit)
  const [said = '', codes = ''] = stderr.split(/^codes /m)
  return { codes: codes.trim().split(' ').map(Number), stdout, stderr: said }
}

test('a slow reader gets everything that a command says, on both streams', async () => {
  using state = usedState()
  await using _daemon = await fakeDaemon(state.path, answers)
  const commands: Readonly<Record<string, RegExp>> = {
    'status --json': /"service":"s4999"/,
    status: /s4999/,
    metrics: new RegExp(`m_${longName} ${lastOne}\n$`),
    'logs -n 5000': new RegExp(`${longName} ${lastOne}\n$`),
    'events -n 5000 --json': new RegExp(`${longName} ${lastOne}","cause":null}\n$`),
    'history --json': new RegExp(`${lastOne}","hint":null}}\n$`),
    // An error of some hundred kilobytes, on stderr.
    'history 2>&1 >/dev/null': new RegExp(`${lastOne}\n$`),
  }
  await Promise.all(
    Object.entries(commands).map(async ([command, end]) => {
      const { stdout, stderr, codes } = await inShell(`daruma --state ${state.path} ${command} | { sleep 1; cat; }`)
      assert.ok(stdout.length > 100_000, `${command}: only ${stdout.length} characters arrived`)
      assert.match(stdout.slice(-1000), end, command)
      assert.equal(stderr, '', command)
      assert.deepEqual(codes, [command.startsWith('history') ? 1 : 0, 0], command)
    }),
  )
})

test('a reader that leaves ends a command quietly, also one that would follow for ever', async () => {
  using state = usedState()
  await using _daemon = await fakeDaemon(state.path, {
    ...answers,
    'GET /v1/logs?follow=1': (_request, response) => {
      let index = 0
      const timer = setInterval(() => response.write(`${JSON.stringify(logLine((index += 1)))}\n`), 5)
      response.once('close', () => clearInterval(timer))
    },
  })
  for (const command of ['logs -f', 'metrics', 'logs -n 5000', 'status -w --json']) {
    const { codes, stderr } = await inShell(`daruma --state ${state.path} ${command} | head -n 1`)
    assert.deepEqual({ codes, stderr }, { codes: [0, 0], stderr: '' }, command)
  }
  const { codes, stdout } = await inShell(`daruma --state ${state.path} history 2>&1 >/dev/null | head -c 1`)
  assert.deepEqual({ codes, stdout: stdout.length }, { codes: [1, 0], stdout: 1 }, 'stderr without a reader')
})

test('a command keeps its exit code when its reader has left', async () => {
  using state = usedState()
  await using _daemon = await fakeDaemon(state.path, {
    ...answers,
    'GET /v1/operations/current': { json: null },
    'POST /v1/operations': { json: { id: 'op1', revision: 2, unchanged: false } },
    'GET /v1/operations/op1/stream': (_request, response) => {
      const progress = { kind: 'progress', service: 's1', slot: null, message: longName, ready: 0, wanted: 1 }
      for (const _index of many) response.write(`${JSON.stringify(progress)}\n`)
      response.end(`${JSON.stringify({ kind: 'end', state: 'failed', rolledBack: false, revision: 1, durationMs: 1 })}\n`)
    },
  })
  const { codes, stderr } = await inShell(`daruma --state ${state.path} restart -y s1 | head -n 1`)
  assert.deepEqual({ codes, stderr }, { codes: [1, 0], stderr: '' })
})

test('output that cannot be written is an error, not silence', async () => {
  using state = usedState()
  await using _daemon = await fakeDaemon(state.path, answers)
  const { codes, stderr } = await inShell(`daruma --state ${state.path} metrics > /dev/full`)
  assert.deepEqual(codes, [1])
  assert.match(stderr, /^error: The output could not be written: .*no space left on device.* \[E_OUTPUT\]\n/)
  assert.doesNotMatch(stderr, /\n\s+at /)
})

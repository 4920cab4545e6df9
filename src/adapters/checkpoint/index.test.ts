import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test, type TestContext } from 'node:test'
import { attachCheckpoints } from './index.ts'

test('a checkpoint is passed only after the driver said so, and out of order if the driver likes', async (t) => {
  const driver = await startDriver(t)
  const reach = await attachCheckpoints(driver.path)
  const passed: string[] = []
  const first = reach('a').then(() => passed.push('a'))
  const second = reach('b').then(() => passed.push('b'))
  const [a, b] = await driver.arrivals(2)
  assert.deepEqual(
    [a, b],
    [
      { id: 1, point: 'a', pid: process.pid },
      { id: 2, point: 'b', pid: process.pid },
    ],
  )
  assert.deepEqual(passed, [])
  driver.send('go 2')
  await second
  assert.deepEqual(passed, ['b'])
  driver.send('go 1')
  await first
  assert.deepEqual(passed, ['b', 'a'])
})

test('a driver that dies lets everybody go, and later checkpoints pass at once', async (t) => {
  const driver = await startDriver(t)
  const reach = await attachCheckpoints(driver.path)
  const waiting = reach('a')
  await driver.arrivals(1)
  driver.cut()
  await waiting
  await reach('b')
})

test('a missing driver is an error that names the variable to unset', async () => {
  await assert.rejects(attachCheckpoints('/nonexistent/driver.sock'), { code: 'E_CHECKPOINT_DRIVER', hint: /DARUMA_CHECKPOINTS/ })
})

interface Driver {
  readonly path: string
  arrivals(count: number): Promise<unknown[]>
  send(line: string): void
  cut(): void
}

async function startDriver(t: TestContext): Promise<Driver> {
  const directory = await mkdtemp(join(tmpdir(), 'daruma-checkpoint-'))
  const path = join(directory, 'driver.sock')
  const seen: unknown[] = []
  let notify = (): void => {}
  let peer: Socket | null = null
  const server: Server = createServer((socket) => {
    peer = socket
    socket.on('error', () => {})
    const lines = createInterface({ input: socket })
    lines.on('error', () => {})
    lines.on('line', (line) => {
      seen.push(JSON.parse(line))
      notify()
    })
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  t.after(async () => {
    peer?.destroy()
    server.close()
    await rm(directory, { recursive: true })
  })
  return {
    path,
    arrivals: async (count) => {
      while (seen.length < count) await new Promise<void>((resolve) => (notify = resolve))
      return seen
    },
    send: (line) => peer?.write(`${line}\n`),
    cut: () => peer?.destroy(),
  }
}

/**
 * One `daruma dev` for a state: a second one would take down what the first has brought up. The kernel ties an abstract socket (unix(7)) to the
 * process that listens, so that no `dev` that was killed is in the way of the next.
 */

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type Server } from 'node:net'

import { DarumaError } from '../../ports/error.ts'

const longestAnswer = 20
const answerLimitMs = 2000

/** Held until it is disposed of, or the process ends. Throws `E_DEV_RUNNING` naming who holds it. */
export async function holdState(state: string, pid: number): Promise<Disposable> {
  const name = `\0daruma-dev-${createHash('sha256').update(state).digest('hex').slice(0, 32)}`
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.end(String(pid))
  })
  if (!(await listen(server, name))) {
    const holder = await askHolder(name)
    throw new DarumaError(
      'E_DEV_RUNNING',
      `\`daruma dev\` runs already for this config${holder === '' ? '' : ` (pid ${holder})`}.`,
      {
        hint: `Ctrl-C there ends it. \`daruma status --state ${state}\` shows what it runs.`,
      },
    )
  }
  server.unref()
  return { [Symbol.dispose]: () => void server.close() }
}

async function listen(server: Server, name: string): Promise<boolean> {
  try {
    server.listen(name)
    await once(server, 'listening')
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return false
    throw error
  }
}

/** Empty where it does not say. */
async function askHolder(name: string): Promise<string> {
  const socket = connect(name)
  socket.setTimeout(answerLimitMs, () => socket.destroy())
  let answer = ''
  try {
    for await (const part of socket) {
      answer += String(part)
      if (answer.length > longestAnswer) break
    }
  } catch {
    // It has just ended.
  }
  return /^\d+$/.test(answer) ? answer : ''
}

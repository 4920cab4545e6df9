/**
 * A door in front of an engine's socket that only takes the time: how long the engine itself needed for each question, from its last
 * byte in to its last byte out. On a busy machine that swings by hundreds of milliseconds from one start to the next, so what
 * somebody adds to it can only be seen within one and the same start.
 */

import { connect, createServer, type Server } from 'node:net'

export interface EngineWatch extends AsyncDisposable {
  readonly socket: string
  /** Milliseconds of each question whose first line matches and that has been answered, in order. */
  times(pattern: RegExp): readonly number[]
  /** Forgets what was asked so far. */
  clear(): void
}

export async function watchEngine(options: { readonly engine: string; readonly socket: string }): Promise<EngineWatch> {
  let asked: { readonly line: string; tookMs: number }[] = []
  const server: Server = createServer((client) => {
    const engine = connect(options.engine)
    let beganAt = 0
    let entry: (typeof asked)[number] | null = null
    client.on('data', (piece) => {
      const line = piece.toString('latin1').split('\r\n', 1)[0] ?? ''
      if (entry === null) asked.push((entry = { line, tookMs: Number.NaN }))
      beganAt = performance.now()
    })
    // Who asks may hang up with the last byte, before the engine does.
    engine.on('data', () => {
      if (entry !== null) entry.tookMs = performance.now() - beganAt
    })
    for (const one of [client, engine]) one.on('error', () => {})
    client.on('close', () => engine.destroy())
    engine.on('close', () => client.end())
    client.pipe(engine).pipe(client)
  })
  await new Promise<void>((resolve) => server.listen(options.socket, resolve))
  return {
    socket: options.socket,
    times: (pattern) => asked.flatMap(({ line, tookMs }) => (pattern.test(line) && !Number.isNaN(tookMs) ? [tookMs] : [])),
    clear: () => {
      asked = []
    },
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  }
}

/**
 * A door in front of an engine's socket that only takes the time: how long the engine itself needed for each question, from its last
 * byte in to its last byte out. On a busy machine that swings by hundreds of milliseconds from one start to the next, so what
 * somebody adds to it can only be seen within one and the same start.
 */

import { connect, createServer, type Server } from 'node:net'

export interface EngineWatch extends AsyncDisposable {
  readonly socket: string
  /** Since the last call: milliseconds of each question whose first line matches, in order. */
  take(pattern: RegExp): readonly number[]
}

export async function watchEngine(options: { readonly engine: string; readonly socket: string }): Promise<EngineWatch> {
  const asked: { readonly line: string; readonly tookMs: number }[] = []
  const server: Server = createServer((client) => {
    const engine = connect(options.engine)
    let line = ''
    let beganAt = 0
    client.on('data', (piece) => {
      if (line === '') line = piece.toString('latin1').split('\r\n', 1)[0] ?? ''
      beganAt = performance.now()
    })
    engine.on('end', () => asked.push({ line, tookMs: performance.now() - beganAt }))
    for (const one of [client, engine]) one.on('error', () => {})
    client.on('close', () => engine.destroy())
    engine.on('close', () => client.end())
    client.pipe(engine).pipe(client)
  })
  await new Promise<void>((resolve) => server.listen(options.socket, resolve))
  return {
    socket: options.socket,
    take: (pattern) => {
      const found = asked.filter(({ line }) => pattern.test(line)).map(({ tookMs }) => tookMs)
      asked.splice(0)
      return found
    },
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  }
}

/**
 * The end of a process that talks to a pipe. `process.exit` alone throws away what the pipe has not taken yet, which is everything
 * beyond its 64 KiB (pipe(7)). Commands wait for their readers themselves (`cli/terminal.ts`); this is for the processes that serve.
 */

/** A reader that hangs must not keep a process that its daemon believes ended. */
const limitMs = 5000

export async function endProcess(code: number): Promise<never> {
  const limit = new Promise((resolve) => setTimeout(resolve, limitMs))
  await Promise.race([Promise.all([taken(process.stdout), taken(process.stderr)]), limit])
  process.exit(code)
}

/** A reader that has left takes nothing more. */
function taken(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.once('error', () => resolve())
    stream.write('', () => resolve())
  })
}

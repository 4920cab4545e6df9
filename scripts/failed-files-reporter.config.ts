/** A reporter of node:test that says only which files had a failing test, one a line. */

interface Finished {
  readonly type: string
  readonly data: { readonly file?: string }
}

async function* failedFiles(source: AsyncIterable<Finished>): AsyncGenerator<string> {
  const said = new Set<string>()
  for await (const { type, data } of source) {
    if (type !== 'test:fail' || data.file === undefined || said.has(data.file)) continue
    said.add(data.file)
    yield `${data.file}\n`
  }
}

export default failedFiles

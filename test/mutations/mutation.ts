/** One promise, broken on purpose: a small change of the sources, and the test that must fail because of it. */
export interface Mutation {
  readonly name: string
  /** The sentence of the design that does not hold any more. */
  readonly rule: string
  /** Relative to the root, below `src/`. */
  readonly file: string
  /** Occurs exactly once in the file. */
  readonly find: string
  readonly replace: string
  readonly caughtBy: {
    /** Relative to the root. Files below `test/` try the built product, those below `src/` run from the sources. */
    readonly file: string
    /** The whole name of one test. */
    readonly test: string
  }
  /** Notices only after a wait of seconds, or needs a build: `npm run mutations` tries it, `npm test` does not. */
  readonly isSlow?: true
}

/** The sources with the mutation in them. Throws when it is not clear where it belongs. */
export function mutate(source: string, { file, find, replace }: Mutation): string {
  const occurrences = source.split(find).length - 1
  if (occurrences !== 1) throw new Error(`the text to change occurs ${occurrences} times in ${file}: ${JSON.stringify(find)}`)
  if (find === replace) throw new Error(`nothing of ${file} is changed`)
  // As a function, because a text may hold `$&` and the like.
  return source.replace(find, () => replace)
}

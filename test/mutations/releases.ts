/** Releases: the same files are the same release, whole or not at all, never changed, built once, and kept as long as anything names them. */

import type { Mutation } from './mutation.ts'

const manifests = 'src/core/release/release.test.ts'
const sources = 'src/adapters/source/index.test.ts'
const store = { file: 'src/adapters/releases/store.ts', tests: 'src/adapters/releases/index.test.ts' } as const
const durability = 'src/adapters/releases/durability.test.ts'
const needs = 'src/server/releases/project-releases.test.ts'
const trees = 'src/agent/releases/host-releases.test.ts'
const product = 'test/releases.test.ts'

const asOnlyRead = 'becomes a tree with its files, links, empty folders and modes, which are only to be read'

export const releaseMutations: readonly Mutation[] = [
  {
    name: 'digest-depends-on-the-umask',
    rule: 'the same files are the same release, whoever reads them and wherever they are',
    file: 'src/adapters/source/index.ts',
    find: `(mode & 0o100) !== 0`,
    replace: `(mode & 0o001) !== 0`,
    caughtBy: { file: sources, test: 'elsewhere, with other owners, times and modes, and without their git' },
  },
  {
    name: 'digest-depends-on-the-order-of-reading',
    rule: 'the same files are the same release, in whatever order the file system lists them',
    file: 'src/core/release/manifest.ts',
    find: `entries: entries.toSorted(byPath)`,
    replace: `entries: entries.toSorted(() => byPath(entries[0]!, entries[0]!))`,
    caughtBy: { file: manifests, test: 'has the same text in whatever order the files were found' },
  },
  {
    name: 'half-written-file-is-taken',
    rule: 'a file that changes while it is read is read again, or refused by name',
    file: 'src/adapters/source/hash-file.ts',
    find: `isSame(before, after) && BigInt(size) === after.size ?`,
    replace: `after.isFile() ?`,
    caughtBy: { file: sources, test: 'a file that never rests' },
  },
  {
    name: 'racily-clean-file-is-believed',
    rule: 'a file whose times are not clearly older than its reading is read again',
    file: 'src/adapters/source/stat-cache.ts',
    find: `if (newestMs < atMs - raceMs) this`,
    replace: `if (newestMs > 0) this`,
    caughtBy: { file: sources, test: 'spares what is unchanged the reading, and notices what is not' },
  },
  {
    name: 'setuid-bit-is-dropped-in-silence',
    rule: 'what a release cannot keep is refused by name',
    file: 'src/adapters/source/index.ts',
    find: `if ((mode & 0o6000) !== 0) {`,
    replace: `if (mode < 0) {`,
    caughtBy: { file: sources, test: 'a setuid file' },
  },
  {
    name: 'too-large-folder-is-read-on',
    rule: 'a folder with too many files is refused at once, and by name',
    file: 'src/adapters/source/index.ts',
    find: `        if (found.length > this.#mostEntries) return found\n`,
    replace: ``,
    caughtBy: {
      file: sources,
      test: 'with more files than a release may have is refused at that number, by the folder with the most',
    },
  },
  {
    name: 'links-may-lead-out',
    rule: 'links that lead out of a source are refused',
    file: 'src/core/release/links.ts',
    find: `      if (at.length === 0) return false\n`,
    replace: ``,
    caughtBy: { file: manifests, test: 'that leads out is found, by an absolute path too' },
  },
  {
    name: 'links-are-cut-as-text',
    rule: 'links that lead out of a source through other links are refused',
    file: 'src/core/release/links.ts',
    find: `const target = links.get(at.join('/'))`,
    replace: `const target = hops === 0 ? links.get(at.join('/')) : undefined`,
    caughtBy: {
      file: manifests,
      test: 'that leads out only through another link is found: `..` is above where that one leads',
    },
  },
  {
    name: 'source-with-a-bad-link-is-read',
    rule: 'links that lead out of a source are refused',
    file: 'src/adapters/source/index.ts',
    find: `of findBadLinks(manifest)) {`,
    replace: `of findBadLinks(manifest).slice(0, 0)) {`,
    caughtBy: { file: sources, test: 'an absolute link' },
  },
  {
    name: 'manifest-leads-out-of-its-tree',
    rule: 'a manifest from the socket cannot name what is not in its tree',
    file: 'src/core/release/manifest.ts',
    find: ` && segment !== '..')`,
    replace: `)`,
    caughtBy: { file: store.tests, test: 'that would lead out of its tree is refused' },
  },
  {
    name: 'manifest-goes-through-a-link',
    rule: 'a manifest from the socket cannot reach through a link',
    file: 'src/core/release/manifest.ts',
    find: `ancestorsOf(path).some((above) => closed.has(above))`,
    replace: `path === ''`,
    caughtBy: { file: manifests, test: 'with something below a link is refused' },
  },
  {
    name: 'content-is-not-compared',
    rule: 'a content has the digest that it came under',
    file: 'src/adapters/releases/blob-writer.ts',
    find: `    if (found !== sha256) {`,
    replace: `    if (found === '') {`,
    caughtBy: {
      file: store.tests,
      test: 'with a content that is not what it is called is refused, and nothing of that content stays',
    },
  },
  {
    name: 'file-that-changed-is-sent',
    rule: 'a file that has changed since it was read is not sent as what it was',
    file: 'src/adapters/releases/blob-writer.ts',
    find: `    if (found !== sha256) {`,
    replace: `    if (found === '') {`,
    caughtBy: {
      file: 'src/cli/releases/deliver.test.ts',
      test: 'a file that changes between its reading and its sending is refused, and the release is not there',
    },
  },
  {
    name: 'content-is-named-before-it-is-durable',
    rule: 'a content that is there is whole, after a power cut too',
    file: 'src/adapters/releases/blob-writer.ts',
    find: `    makeDurable(this.#layout.incoming, [...this.#pending.values()])\n`,
    replace: ``,
    caughtBy: { file: durability, test: 'contents have their names, and a tree its mark, only when the disk has them' },
  },
  {
    name: 'tree-is-marked-before-it-is-durable',
    rule: 'a tree that is marked is whole, after a power cut too',
    file: store.file,
    find: `    if (!syncFileSystem(trees)) fsyncPath(trees)
    writeWhole(join(sealed, key), '')
`,
    replace: `    writeWhole(join(sealed, key), '')
    if (!syncFileSystem(trees)) fsyncPath(trees)
`,
    caughtBy: { file: durability, test: 'contents have their names, and a tree its mark, only when the disk has them' },
  },
  {
    name: 'half-a-release-is-sealed',
    rule: 'a release is whole or not at all',
    file: store.file,
    find: `    if (missing.size > 0) throw incomplete(`,
    replace: `    if (missing.size < 0) throw incomplete(`,
    caughtBy: { file: store.tests, test: 'is not here before all of it has come, and is unknown until then' },
  },
  {
    name: 'half-a-tree-is-found',
    rule: 'a tree is whole or not at all',
    file: 'src/adapters/releases/index.ts',
    find: `(await exists(join(layout.sealed, key))) && `,
    replace: ``,
    caughtBy: {
      file: store.tests,
      test: 'has a copy of its own to write in, and its result is a tree that shares what is the same',
    },
  },
  {
    name: 'half-a-tree-is-taken-for-one',
    rule: 'a tree is whole or not at all',
    file: store.file,
    find: `    linkTree(this.layout, manifest, root)
    this.#mark(key)
`,
    replace: `    this.#mark(key)
    linkTree(this.layout, manifest, root)
`,
    caughtBy: { file: store.tests, test: 'whose tree was cut off while it was made has none, and then a whole one' },
  },
  {
    name: 'half-a-build-is-left',
    rule: 'what a build was cut off in is removed by the next daemon',
    file: store.file,
    find: `    for (const key of readdirSync(trees)) if (!whole.has(key)) removeTree(join(trees, key))\n`,
    replace: ``,
    caughtBy: {
      file: store.tests,
      test: 'that was cut off by the end of the daemon is removed by the next one; a whole one is not',
    },
  },
  {
    name: 'tree-can-be-written',
    rule: 'a release never changes: nobody may write its tree',
    file: 'src/adapters/releases/tree.ts',
    find: `folder: 0o555`,
    replace: `folder: 0o755`,
    caughtBy: { file: store.tests, test: asOnlyRead },
  },
  {
    name: 'content-can-be-written',
    rule: 'a release never changes: nobody may write a content, which others share',
    file: 'src/adapters/releases/blob-writer.ts',
    find: `fchmodSync(descriptor, 0o444)`,
    replace: `fchmodSync(descriptor, 0o644)`,
    caughtBy: { file: store.tests, test: asOnlyRead },
  },
  {
    name: 'build-writes-into-shared-contents',
    rule: 'a release never changes: a build has a copy of its own',
    file: 'src/adapters/releases/tree.ts',
    find: `        copyFileSync(contentOf(layout, entry), path, constants.COPYFILE_FICLONE)
        chmodSync(path, entry.isExecutable`,
    replace: `        linkSync(contentOf(layout, entry), path)
        chmodSync(path, entry.isExecutable`,
    caughtBy: {
      file: store.tests,
      test: 'has a copy of its own to write in, and its result is a tree that shares what is the same',
    },
  },
  {
    name: 'what-is-built-is-left-to-write',
    rule: 'a release never changes: what was built is read-only, too',
    file: 'src/adapters/releases/built-tree.ts',
    find: `  for (const folder of folders) chmodSync(folder, 0o555)\n`,
    replace: ``,
    caughtBy: {
      file: store.tests,
      test: 'has a copy of its own to write in, and its result is a tree that shares what is the same',
    },
  },
  {
    name: 'projects-build-in-one-tree',
    rule: 'two projects that build the same do not write into one tree',
    file: 'src/core/release/tree-request.ts',
    find: `request.build === null ? request : { ...request, place }`,
    replace: `place === undefined ? { ...request, place } : request`,
    caughtBy: { file: trees, test: 'is built once for each project, and found again by that project alone' },
  },
  {
    name: 'used-tree-is-collected',
    rule: 'what a revision or an instance names is never collected',
    file: store.file,
    find: `filter((key) => !keys.has(key) && whole.has(key))`,
    replace: `filter((key) => whole.has(key))`,
    caughtBy: { file: store.tests, test: 'removes what nothing names, and nothing else' },
  },
  {
    name: 'tree-under-construction-is-collected',
    rule: 'what is being built is never collected',
    file: store.file,
    find: `filter((key) => !keys.has(key) && whole.has(key))`,
    replace: `filter((key) => !keys.has(key))`,
    caughtBy: { file: store.tests, test: 'that is under way is not collected, and one that failed leaves nothing' },
  },
  {
    name: 'delivery-is-collected',
    rule: 'what is being brought here is not collected before a revision names it',
    file: store.file,
    find: `if (!digests.has(digest) && !begun.has(digest)) rmSync`,
    replace: `if (!digests.has(digest)) rmSync`,
    caughtBy: { file: store.tests, test: 'removes what nothing names, and nothing else' },
  },
  {
    name: 'shared-content-is-collected',
    rule: 'a content is kept while a tree has it',
    file: store.file,
    find: ` || statSync(path).nlink > 1) continue`,
    replace: `) continue`,
    caughtBy: { file: store.tests, test: 'never takes a content that a tree has, even where no manifest names it any more' },
  },
  {
    name: 'collected-from-under-an-instance',
    rule: 'what an instance runs from is kept, whatever became of its revision',
    file: 'src/server/releases/project-releases.ts',
    find: `      keep(requestOf(occupant.spec.service))\n`,
    replace: ``,
    caughtBy: {
      file: needs,
      test: 'what an instance was started from is kept, though no revision and no goal names it: it may take long to end',
    },
  },
  {
    name: 'collected-before-it-runs',
    rule: 'what is to run is kept',
    file: 'src/server/releases/project-releases.ts',
    find: `if (goal.kind === 'run') keep(`,
    replace: `if (goal.kind !== 'run') continue; else if (goal.claim < 0) keep(`,
    caughtBy: { file: needs, test: 'what is to run is kept before it runs' },
  },
  {
    name: 'collected-without-knowledge',
    rule: 'while it is not known what an instance runs from, nothing is collected',
    file: 'src/server/releases/project-releases.ts',
    find: `if (occupant.spec === null) return null`,
    replace: `if (occupant.spec === null) continue`,
    caughtBy: { file: needs, test: 'nothing is collected while it is not known what an instance runs from' },
  },
  {
    name: 'collected-during-a-build',
    rule: 'while something is built, nothing is collected',
    file: 'src/server/releases/project-releases.ts',
    find: `return isBuilding() ? null : `,
    replace: `return `,
    caughtBy: { file: needs, test: 'nothing is collected while something is built: what began meanwhile is in no list' },
  },
  {
    name: 'revision-without-its-files',
    rule: 'no revision is accepted whose files are not here',
    file: 'src/server/releases/project-releases.ts',
    find: `    if (service !== undefined) throw missing(service)\n`,
    replace: ``,
    caughtBy: { file: needs, test: 'a project is accepted only when the files of all its services are here, and were read' },
  },
  {
    name: 'built-tree-is-replaced-by-its-source',
    rule: 'an instance never runs from what was not built',
    file: 'src/agent/releases/host-releases.ts',
    find: `    if (request.build !== null) {`,
    replace: `    if (request.digest === '') {`,
    caughtBy: { file: trees, test: 'that was removed is made anew from its files, but never runs without its build' },
  },
  {
    name: 'build-runs-again',
    rule: 'a build runs once for each release',
    file: 'src/agent/releases/host-releases.ts',
    find: `if (request === null || (await releases.find(request)) !== null) continue`,
    replace: `if (request === null) continue`,
    caughtBy: { file: trees, test: 'is built once for each project, and found again by that project alone' },
  },
  {
    name: 'build-runs-beside-another',
    rule: 'two builds never run at once, whoever ordered them',
    file: 'src/agent/releases/builder.ts',
    find: `      await this.#kill(occupant)\n`,
    replace: `      await Promise.resolve(occupant)\n`,
    caughtBy: { file: product, test: 'of a daemon that died is ended and runs again: never two at once' },
    isSlow: true,
  },
  {
    name: 'failed-build-is-used',
    rule: 'a failed build fails the revision before anything is given up',
    file: 'src/agent/releases/builder.ts',
    find: `      if (failure !== null) throw failed(build, failure)\n`,
    replace: `      if (failure !== null && failure === '') throw failed(build, failure)\n`,
    caughtBy: {
      file: product,
      test: 'that fails, or takes too long, fails the revision before anything is given up, with its last lines',
    },
    isSlow: true,
  },
  {
    name: 'late-build-goes-on',
    rule: 'the end of a build is the end of everything it started',
    file: 'src/agent/releases/builder.ts',
    find: `      await this.#kill(instance)\n`,
    replace: `      await Promise.resolve(instance)\n`,
    caughtBy: {
      file: product,
      test: 'that fails, or takes too long, fails the revision before anything is given up, with its last lines',
    },
    isSlow: true,
  },
  {
    name: 'last-lines-are-not-waited-for',
    rule: 'the last lines of what has ended are the reason why it did, and are told with it',
    file: 'src/adapters/process/outputs.ts',
    find: `endedAtMs + limitMs`,
    replace: `askedAtMs + settleLimitMs`,
    caughtBy: {
      file: 'src/adapters/process/outputs.test.ts',
      test: 'the last lines of what has ended are read, however late the collector takes them',
    },
  },
]

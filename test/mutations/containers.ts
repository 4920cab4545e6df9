/** Containers: the name is the lock, the epoch comes first, an engine that is silent has said nothing. */

import type { Mutation } from './mutation.ts'

const life = 'src/adapters/docker/life.test.ts'
const lost = 'src/adapters/docker/lost-containers.test.ts'
const renamed = 'one that was renamed by hand is found by its labels, by a daemon that began under a frozen engine too'

export const containerMutations: readonly Mutation[] = [
  {
    name: 'container-without-epoch',
    rule: 'the epoch is committed before a container is made',
    file: 'src/adapters/docker/index.ts',
    find: `[listing, commitEpoch(paths, order.epoch)]`,
    replace: `[listing]`,
    caughtBy: {
      file: life,
      test: 'a container runs under its slot and epoch, its lines and its exit code are taken, and then it is gone',
    },
    isSlow: true,
  },
  {
    name: 'foreign-container-is-removed',
    rule: 'a container of somebody else is named and never touched',
    file: 'src/adapters/docker/container/create-container.ts',
    find: `return { kind: 'occupied', holders: [describeForeign(found)] }`,
    replace: `return removeContainer(engine, found.id, 'may run').then(() => null)`,
    caughtBy: { file: life, test: "a foreign container with the slot's name is named, and not touched" },
    isSlow: true,
  },
  {
    name: 'older-container-is-left',
    rule: 'a container of an older epoch is removed before the new one is made',
    file: 'src/adapters/docker/container/create-container.ts',
    find: `    await removeContainer(engine, id, 'may run')\n    await reach`,
    replace: `    await reach`,
    caughtBy: { file: life, test: 'a container that an older epoch left is removed before the new one is made' },
    isSlow: true,
  },
  {
    name: 'engine-restarts-by-itself',
    rule: "the engine's own restart policy is always no",
    file: 'src/adapters/docker/container/render.ts',
    find: `RestartPolicy: { Name: 'no' }`,
    replace: `RestartPolicy: { Name: 'always' }`,
    caughtBy: { file: life, test: 'the engine is left nothing to decide, and the program nothing that it was not given' },
    isSlow: true,
  },
  {
    name: 'torn-output-is-kept',
    rule: 'not a line of a container is lost or written twice, wherever a daemon died',
    file: 'src/adapters/docker/log/container-log.ts',
    find: `if (cursor !== null) file.truncate(cursor.logBytes)`,
    replace: `if (cursor !== null) void cursor.logBytes`,
    caughtBy: {
      file: life,
      test: 'another daemon finds what runs: same pid, same start, same epoch, and not a line is lost or written twice',
    },
    isSlow: true,
  },
  {
    name: 'told-again-is-news',
    rule: 'a line that the engine tells again is not written again',
    file: 'src/adapters/docker/log/log-cursor.ts',
    find: `    if (this.#inARow <= entries) return false\n`,
    replace: ``,
    caughtBy: {
      file: 'src/adapters/docker/log/log-cursor.test.ts',
      test: 'what is told again is known, however far back it begins, and what comes after it is fresh',
    },
  },
  {
    name: 'silent-engine-means-gone',
    rule: 'while the engine is away nothing is assumed to have ended',
    file: 'src/adapters/docker/discover.ts',
    find: `(exit !== null || isItsEngine || isDead))`,
    replace: `(exit !== null || isItsEngine || isDead || !hasAnswered))`,
    caughtBy: {
      file: lost,
      test: 'an answer to "list" that is refused is no end: what runs is kept, nothing is started, and it is known again later',
    },
    isSlow: true,
  },
  {
    name: 'living-witness-is-not-heard',
    rule: 'a container is never gone while the first process that was recorded of it lives',
    file: 'src/adapters/docker/container/container-life.ts',
    find: `if (found?.state !== 'running' && (await this.#outlives(found))) return`,
    replace: ``,
    caughtBy: {
      file: lost,
      test: 'while the kernel has its first process it runs, whether the engine says that it has ended or that there is none',
    },
    isSlow: true,
  },
  {
    name: 'failed-inspect-means-none',
    rule: 'an answer that failed is unknown, and what is unknown is neither gone nor replaced',
    file: 'src/adapters/docker/discover.ts',
    find: `.catch((): 'unknown' => 'unknown')`,
    replace: `.catch(() => null)`,
    caughtBy: {
      file: lost,
      test: 'an answer to "inspect" that is refused is no end: what runs is kept, nothing is started, and it is known again later',
    },
    isSlow: true,
  },
  {
    name: 'container-found-by-name-alone',
    rule: 'a container is found by its labels, whatever an administrator calls it',
    file: 'src/adapters/docker/index.ts',
    find: `const [found] = await listOwnContainers(this.#engine, this.#options.stateId, instance)`,
    replace: `const found = await inspectContainer(this.#engine, 'daruma-' + this.#options.stateId + '-' + instance.slot.replace('/', '.'))`,
    caughtBy: { file: lost, test: renamed },
    isSlow: true,
  },
  {
    name: 'images-come-too-late',
    rule: 'the images are here before anything that runs is given up for them',
    file: 'src/server/operations/operations.ts',
    find: `const isPrepared = revision === null || !(`,
    replace: `const isPrepared = revision !== null || !(`,
    caughtBy: {
      file: 'src/daemon/daemon.test.ts',
      test: 'an image that cannot be had ends the operation, and what runs was not touched',
    },
  },
]

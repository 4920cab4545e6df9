/**
 * Who may start something now, over all projects of a machine. A bounded number is under way at once, of each project and of all, so that whoever
 * comes finds a place although another one's starts hang. The projects take turns: one with 5,000 waiting delays another's by one place and not
 * by 5,000. What has failed before waits for what has not. With `retries: 'bounded'` it is tried one at a time in each project, with a rest as
 * long as the try took, so that what crash-loops leaves most of the machine to what works.
 */

export interface StartTurnsOptions {
  /** How many of one project may be under way at once. */
  readonly limit: number
  /** `unbounded` where a start is mostly a wait for another program, a download for instance, and takes no processor of this machine. */
  readonly retries: 'bounded' | 'unbounded'
  /** Milliseconds, monotonic. */
  readonly now?: () => number
  readonly after?: (delayMs: number, run: () => void) => void
}

/** One project's way in. */
export interface StartLane {
  /** Whether a start of this project that has not failed before waits. */
  readonly hasWaiters: boolean
  /** `isRetry`: what its slot started last has failed. Rejects as the task does. */
  run<Result>(isRetry: boolean, task: () => Promise<Result>): Promise<Result>
}

/** Each holds some files open and forks; more would not be faster on any machine. */
export const maxParallelStarts = 8
/** Places that are left when one project has all that it may have. */
const sparePlaces = 2
/** Of all projects. */
const mostRetries = 2
/** However long a try took: a machine that is out of breath must not be out of it forever. */
const longestRestMs = 250
/** While others that have not failed wait, one in so many starts is a retry all the same: it must come in the end. */
const turnsPerRetry = 16

export class StartTurns {
  readonly #limit: number
  readonly #boundsRetries: boolean
  readonly #now: () => number
  readonly #after: (delayMs: number, run: () => void) => void
  readonly #first = new RoundRobin()
  readonly #retries = new RoundRobin()
  readonly #underWay = new Map<string, number>()
  /** Projects in which something is tried again, or that rest from it. */
  readonly #retrying = new Set<string>()
  #sum = 0
  #turnsSinceRetry = 0

  constructor({ limit, retries, now = () => performance.now(), after = afterUnreferenced }: StartTurnsOptions) {
    this.#limit = limit
    this.#boundsRetries = retries === 'bounded'
    this.#now = now
    this.#after = after
  }

  /** `of` names the project. */
  lane(of: string): StartLane {
    const first = this.#first
    return {
      get hasWaiters() {
        return first.has(of)
      },
      run: (isRetry, task) => this.#run(of, isRetry, task),
    }
  }

  async #run<Result>(of: string, isRetry: boolean, task: () => Promise<Result>): Promise<Result> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const queue = isRetry ? this.#retries : this.#first
    queue.add(of, resolve)
    this.#next()
    await promise
    const beganAtMs = this.#now()
    try {
      return await task()
    } finally {
      this.#count(of, -1)
      if (isRetry && this.#boundsRetries) this.#rest(of, this.#now() - beganAtMs)
      this.#next()
    }
  }

  #rest(of: string, tookMs: number): void {
    this.#after(Math.min(tookMs, longestRestMs), () => {
      this.#retrying.delete(of)
      this.#next()
    })
  }

  #next(): void {
    while (this.#sum < this.#limit + sparePlaces) {
      const retry = this.#turnsSinceRetry >= turnsPerRetry ? this.#takeRetry() : null
      const first = retry === null ? this.#first.take((of) => this.#hasPlace(of)) : null
      const next = retry ?? first ?? this.#takeRetry()
      if (next === null) return
      this.#turnsSinceRetry = first === null ? 0 : this.#turnsSinceRetry + 1
      this.#count(next.of, 1)
      next.go()
    }
  }

  #takeRetry(): Turn | null {
    if (!this.#boundsRetries) return this.#retries.take((of) => this.#hasPlace(of))
    if (this.#retrying.size >= mostRetries) return null
    const retry = this.#retries.take((of) => this.#hasPlace(of) && !this.#retrying.has(of))
    if (retry !== null) this.#retrying.add(retry.of)
    return retry
  }

  #hasPlace(of: string): boolean {
    return (this.#underWay.get(of) ?? 0) < this.#limit
  }

  #count(of: string, change: 1 | -1): void {
    this.#sum += change
    const count = (this.#underWay.get(of) ?? 0) + change
    if (count === 0) this.#underWay.delete(of)
    else this.#underWay.set(of, count)
  }
}

interface Turn {
  readonly of: string
  readonly go: () => void
}

/** Queues by name, of which each in turn gives its first. */
class RoundRobin {
  /** In the order of their turns; none of them is empty. */
  readonly #queues = new Map<string, Queue>()

  has(of: string): boolean {
    return this.#queues.has(of)
  }

  add(of: string, go: () => void): void {
    const queue = this.#queues.get(of) ?? new Queue()
    queue.add(go)
    this.#queues.set(of, queue)
  }

  /** Of the first that may, which is the last from then on. */
  take(may: (of: string) => boolean): Turn | null {
    for (const [of, queue] of this.#queues) {
      if (!may(of)) continue
      const go = queue.take()
      this.#queues.delete(of)
      if (!queue.isEmpty) this.#queues.set(of, queue)
      return { of, go }
    }
    return null
  }
}

/** First in, first out, at the same cost however many wait. */
class Queue {
  #items: (() => void)[] = []
  #taken = 0

  get isEmpty(): boolean {
    return this.#taken === this.#items.length
  }

  add(go: () => void): void {
    this.#items.push(go)
  }

  take(): () => void {
    const go = this.#items[this.#taken]
    if (go === undefined) throw new Error('the queue is empty')
    this.#taken += 1
    if (this.#taken < 1000 && !this.isEmpty) return go
    this.#items = this.#items.slice(this.#taken)
    this.#taken = 0
    return go
  }
}

function afterUnreferenced(delayMs: number, run: () => void): void {
  setTimeout(run, delayMs).unref()
}

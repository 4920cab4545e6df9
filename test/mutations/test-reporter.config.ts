/** A reporter for `node --test-reporter` (which wants a default export): one JSON line for each test that ran to its end. */

import type { TestEvent } from 'node:test/reporters'

export interface TestResult {
  readonly name: string
  readonly state: 'passed' | 'failed' | 'skipped'
  /** Null unless it failed. */
  readonly failure: { readonly kind: string; readonly error: string; readonly message: string } | null
}

export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  for await (const { type, data } of events) {
    if (type === 'test:pass') yield line({ name: data.name, state: data.skip ? 'skipped' : 'passed', failure: null })
    if (type === 'test:fail') {
      const { failureType, cause } = data.details.error as Error & { readonly failureType?: string }
      // A property's failure only counts its tries; what failed is the cause of that.
      const error = cause instanceof Error && cause.cause instanceof Error ? cause.cause : cause
      const { name, message } = error instanceof Error ? error : { name: 'none', message: String(error) }
      yield line({ name: data.name, state: 'failed', failure: { kind: failureType ?? 'unknown', error: name, message } })
    }
  }
}

const line = (result: TestResult): string => `${JSON.stringify(result)}\n`

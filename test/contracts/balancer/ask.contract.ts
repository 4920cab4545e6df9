/** Of the balancer's contract: the questions that its parts ask in the same words. */

import { rawExchange } from '../../support/balancer-bed.ts'
import { DarumaError } from '../../../src/ports/error.ts'

/** For `assert.rejects`. */
export const hasCode =
  (code: string): ((error: unknown) => boolean) =>
  (error: unknown) =>
    error instanceof DarumaError && error.code === code

/** A whole answer, head and body, of a connection of its own. */
export const get = (port: number, path = '/', headers = ''): Promise<string> =>
  rawExchange(port, `GET ${path} HTTP/1.1\r\nHost: a.test\r\n${headers}Connection: close\r\n\r\n`)

export const bodyOf = (answer: string): string => answer.slice(answer.indexOf('\r\n\r\n') + 4)

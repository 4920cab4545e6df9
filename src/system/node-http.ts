/**
 * Node's own HTTP module, without what `import 'node:http'` brings with it. An ES import reads every export of a built-in module, and
 * three of this one (`WebSocket`, `MessageEvent`, `CloseEvent`) are getters that load a whole second HTTP client with its WebAssembly:
 * up to 16 MB of memory for names that nobody here uses. Taken by its id it is the same module, and nothing of it is read
 * (https://nodejs.org/api/process.html#processgetbuiltinmoduleid).
 */

import type * as Http from 'node:http'

const http: typeof Http = process.getBuiltinModule('node:http')

export const createServer: typeof Http.createServer = http.createServer
export const request: typeof Http.request = http.request
export const STATUS_CODES: typeof Http.STATUS_CODES = http.STATUS_CODES

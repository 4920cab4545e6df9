/**
 * What the engine says, told apart: that it is away, that it refuses, and, for images, whose fault that is. Engines word these things
 * in prose, Docker and Podman each in their own; the status code comes first, and the words decide only what it leaves open.
 */

import { DarumaError } from '../../../ports/error.ts'

/** The engine did not answer in time, or cannot be reached. Whatever was asked of it may have happened, or may happen yet. */
export class EngineSilent extends Error {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.name = 'EngineSilent'
  }
}

/** The engine has answered, and has not done what it was asked for; the message is its own. */
export class EngineRefusal extends Error {
  /** Of HTTP. */
  readonly status: number

  constructor(status: number, message: string) {
    super(message.trim() === '' ? `the engine answered with status ${status}` : message.trim())
    this.name = 'EngineRefusal'
    this.status = status
  }
}

/** The engine's answer's status; null where it gave none. */
export const statusOf = (error: unknown): number | null => (error instanceof EngineRefusal ? error.status : null)

export const isStatus = (error: unknown, ...codes: readonly number[]): boolean => codes.includes(statusOf(error) ?? 0)

export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error)).trim()

/** Somebody has the name. Podman says so, as it says most things, with a 500. */
export const isNameTaken = (error: unknown): boolean =>
  isStatus(error, 409) || /name .*already (?:in use|used)/.test(reasonOf(error))

/** Of a network: containers are in it. */
export const isInUse = (error: unknown): boolean => isStatus(error, 403, 409) || /is being used/.test(reasonOf(error))

/** True for a connection that could not be made or broke off. */
export function isUnreachable(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | null)?.code ?? ''
  return (
    ['ECONNREFUSED', 'ECONNRESET', 'ENOENT', 'EPIPE', 'EACCES', 'ECONNABORTED', 'ETIMEDOUT', 'ENOTSOCK'].includes(code) ||
    (statusOf(error) === null && /socket hang up|aborted/i.test(reasonOf(error)))
  )
}

/** The image is named as it was asked for; the engine's own words follow. */
export function explainPull(reference: string, error: unknown): DarumaError {
  const said = reasonOf(error)
  const words = said.toLowerCase()
  const because = { cause: error }
  if (
    /no matching manifest|no image found in (?:manifest list|image index) for architecture|does not match the specified platform/.test(
      words,
    )
  ) {
    return new DarumaError('E_IMAGE_ARCHITECTURE', `${reference} is not there for this machine's architecture: ${said}`, {
      hint: 'Build or choose one for this architecture.',
      ...because,
    })
  }
  if (isConnection(words)) {
    return new DarumaError('E_IMAGE_UNREACHABLE', `the registry of ${reference} cannot be reached: ${said}`, {
      hint: "Check the registry's name, the network, and whether the registry speaks HTTPS.",
      ...because,
    })
  }
  if (
    /unauthorized|authentication required|no basic auth|access denied|denied:|incorrect username|forbidden|status: 40[13]/.test(
      words,
    )
  ) {
    return new DarumaError('E_IMAGE_DENIED', `the registry denies access to ${reference}: ${said}`, {
      hint: 'Give credentials with registry: { username, password }; some registries answer so for an image that does not exist.',
      ...because,
    })
  }
  if (
    /manifest unknown|not found|name unknown|repository .* does not exist|invalid reference/.test(words) ||
    isStatus(error, 404)
  ) {
    return new DarumaError('E_IMAGE_UNKNOWN', `there is no image ${reference}: ${said}`, {
      hint: 'Check its name and its tag.',
      ...because,
    })
  }
  return new DarumaError('E_IMAGE_UNREACHABLE', `${reference} could not be pulled: ${said}`, {
    hint: 'It is tried again with the next daruma up.',
    ...because,
  })
}

const isConnection = (words: string): boolean =>
  /dial tcp|connection refused|no such host|i\/o timeout|timeout exceeded|deadline exceeded|tls|x509|no route to host|network is unreachable|connection reset|unexpected eof|server gave http response|too many requests|status: 5\d\d|received unexpected http status/.test(
    words,
  )

/** What the daemon accepts, said once: the compiler holds each schema against the type in `api.ts` that it stands for. */

import { projectShape } from '../core/keys/project.ts'
import {
  anyInteger,
  anyText,
  anyTruth,
  exactly,
  listOf,
  objectOf,
  orNull,
  recordOf,
  type Shape,
  unionBy,
} from '../core/values/shape.ts'
import { DarumaError } from '../ports/error.ts'
import type {
  ExecRequest,
  OperationRequest,
  PageRequest,
  PlanRequest,
  PromoteRequest,
  ReleasesRequest,
  Requester,
  SecretValues,
} from './api.ts'
import type { HandOverRequest, RemoveProjectRequest } from './projects.ts'

/** Gives the value back typed, or throws `E_REQUEST_INVALID`; `path` is what the whole is called in the message. */
export type Parser<Type> = (value: unknown, path: string) => Type

function parserOf<Type>(shape: Shape<Type>): Parser<Type> {
  return (value, path) => shape(value, path, refuse)
}

/** What was found is named by its type only: it may be a secret. */
function refuse(value: unknown, path: string, allowed: string): never {
  const found = value === null ? 'null' : Array.isArray(value) ? 'a list' : value === undefined ? 'nothing' : typeof value
  throw new DarumaError('E_REQUEST_INVALID', `${path}: expected ${allowed}, found ${found}.`, {
    hint: 'The command and the daemon may be of different versions: daruma daemon restart.',
  })
}

const secrets: Shape<SecretValues> = recordOf(recordOf(anyText))

const only: Shape<readonly string[] | null> = orNull(listOf(anyText))

const by: Shape<Requester> = objectOf<Requester>({ pid: anyInteger, user: anyText, command: anyText, file: orNull(anyText) })

type Kind<Name extends OperationRequest['kind']> = Extract<OperationRequest, { readonly kind: Name }>

/** One schema for three kinds that differ in nothing else. */
const override: Shape<Kind<'restart' | 'stop' | 'start'>> = objectOf<Kind<'restart' | 'stop' | 'start'>>({
  by,
  kind: exactly('restart', 'stop', 'start'),
  services: listOf(anyText),
})

export const operationRequest: Parser<OperationRequest> = parserOf(
  unionBy<OperationRequest>('kind', {
    apply: objectOf<Kind<'apply'>>({
      by,
      kind: exactly('apply'),
      project: projectShape,
      secrets,
      base: anyInteger,
      fingerprint: orNull(anyText),
      only,
    }),
    rollback: objectOf<Kind<'rollback'>>({ by, kind: exactly('rollback'), revision: anyInteger }),
    scale: objectOf<Kind<'scale'>>({ by, kind: exactly('scale'), service: anyText, replicas: anyInteger }),
    restart: override,
    stop: override,
    start: override,
    down: objectOf<Kind<'down'>>({ by, kind: exactly('down') }),
  }),
)

export const planRequest: Parser<PlanRequest> = parserOf(
  objectOf<PlanRequest>({ project: projectShape, secrets, isRollback: anyTruth, only }),
)

export const promoteRequest: Parser<PromoteRequest> = parserOf(objectOf<PromoteRequest>({ services: listOf(anyText) }))

export const releasesRequest: Parser<ReleasesRequest> = parserOf(objectOf<ReleasesRequest>({ digests: listOf(anyText) }))

export const execRequest: Parser<ExecRequest> = parserOf(objectOf<ExecRequest>({ target: anyText, command: listOf(anyText) }))

export const pageRequest: Parser<PageRequest> = parserOf(objectOf<PageRequest>({ port: orNull(anyInteger) }))

export const removeProjectRequest: Parser<RemoveProjectRequest> = parserOf(
  objectOf<RemoveProjectRequest>({ volumes: listOf(anyText) }),
)

export const handOverRequest: Parser<HandOverRequest> = parserOf(
  objectOf<HandOverRequest>({ name: anyText, stage: orNull(anyText), by }),
)

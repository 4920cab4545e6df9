/**
 * `notify`: where to tell of a trouble, and of its end. A target is a webhook or a command. Addresses, headers and variables may be secrets: in
 * the record they then stand under `secrets`, by the name that says where they belong (`webhook`, `headers.authorization`).
 */

import { duration } from '../values/amounts.ts'
import { command } from '../values/command.ts'
import type { Place, ProblemList } from '../values/problem-list.ts'
import { oneOf, showText, text } from '../values/scalars.ts'
import { anyInteger, anyText, exactly, listOf, objectOf, orNull, recordOf, type Shape, unionBy } from '../values/shape.ts'
import { kindOf } from '../values/show.ts'
import { isPlainObject, readItems, type Reader, refuseType, refuseValue } from '../values/value-type.ts'
import { type Field, objectBy, type WrittenKeys } from './key.ts'
import { readEnvironment } from './service/environment.ts'
import { type SecretReference, secretShape, type SecretSource, secretSource, showSource } from './service/secret.ts'

/** What there is to tell of, in the order in which they are shown. */
export const noticeTopics = ['crash-loop', 'blocked', 'schedule', 'deploy'] as const
export type NoticeTopic = (typeof noticeTopics)[number]

export interface NotifyTarget {
  readonly to: Webhook | NoticeCommand
  readonly on: readonly NoticeTopic[]
  readonly timeoutMs: number
  /** By `webhook`, `headers.NAME`, `environment.NAME`. */
  readonly secrets: Readonly<Record<string, SecretReference>>
}

export interface Webhook {
  readonly kind: 'webhook'
  /** Null: it is a secret. */
  readonly url: string | null
  /** Those that are no secrets. */
  readonly headers: Readonly<Record<string, string>>
}

export interface NoticeCommand {
  readonly kind: 'command'
  readonly command: readonly string[]
  /** The folder of the config. */
  readonly directory: string
  /** Null: the user that runs Daruma. */
  readonly user: string | null
  /** Those that are no secrets. */
  readonly environment: Readonly<Record<string, string>>
}

type MaybeSecret = string | SecretSource

export interface WrittenNotify {
  readonly webhook?: MaybeSecret
  readonly headers?: Readonly<Record<string, MaybeSecret>>
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, MaybeSecret>>
  readonly user?: string
  readonly on?: readonly NoticeTopic[]
  readonly timeoutMs?: number
}

/** One that was read, and where it stands. */
export interface PlacedNotify extends WrittenNotify {
  readonly at: Place
}

/** RFC 9110, section 5.6.2: a token. */
const headerName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/
const headerValue = /^[\t\x20-\x7e\x80-\xff]*$/
/** They are the sender's own business. */
const ownHeaders = ['content-type', 'content-length', 'transfer-encoding', 'connection', 'host', 'expect', 'upgrade']
const mostHeaders = 20
const longestHeader = 4096

/** Without a user in it: a password has its place in a header, as a secret. */
const urlPattern = /^https?:\/\/(?:\[[0-9a-fA-F:.]+\]|[^\s/?#@[\]]+)(?:[/?][^\s#]*)?$/

const urlNoun = "an http or https URL without a user in it, such as 'https://hooks.example.com/daruma', or secret('NAME')"
const url = text(urlNoun, { longest: 2000, pattern: urlPattern })

/** A secret that is given as it is: there is no file where it goes. */
function orSecret(noun: string, plain: Reader<string>): Reader<MaybeSecret> {
  return {
    accepts: noun,
    read(value, at, problems) {
      if (!isPlainObject(value)) return plain.read(value, at, problems)
      const source = secretSource.read(value, at, problems)
      if (source?.as === undefined) return source
      problems.add('E_CONFIG_SECRET', at, "as: 'file' has no meaning here: the value itself is sent", {
        allowed: "secret('NAME')",
      })
      return undefined
    },
  }
}

const headerText: Reader<string> = {
  accepts: "a string without line feeds, or secret('NAME')",
  read(value, at, problems) {
    if (typeof value !== 'string') return refuseType(value, this.accepts, at, problems)
    return value.length <= longestHeader && headerValue.test(value) ? value : refuseValue(value, this.accepts, at, problems)
  },
}

const header = orSecret(headerText.accepts, headerText)

const headers: Reader<Readonly<Record<string, MaybeSecret>>> = {
  accepts: `an object of at most ${mostHeaders} names → string or secret('NAME')`,
  read(value, at, problems) {
    if (!isPlainObject(value)) return refuseType(value, this.accepts, at, problems)
    const names = Object.keys(value)
    if (names.length > mostHeaders) return refuseValue(`${names.length} headers`, this.accepts, at, problems)
    const before = problems.count
    const read: [string, MaybeSecret][] = []
    const seen = new Set<string>()
    for (const name of names) {
      const place: Place = { up: at, key: name }
      if (value[name] === undefined) continue
      const lower = name.toLowerCase()
      if (!headerName.test(name) || ownHeaders.includes(lower) || seen.has(lower)) {
        const allowed = `the name of a header, each once; not ${ownHeaders.join(', ')}`
        problems.add('E_CONFIG_VALUE', place, `${showText(name.slice(0, 100))} cannot be a header here`, { allowed })
        continue
      }
      seen.add(lower)
      const item = header.read(value[name], place, problems)
      if (item !== undefined) read.push([name, item])
    }
    return problems.count > before ? undefined : Object.fromEntries(read)
  },
}

const variables: Reader<Readonly<Record<string, MaybeSecret>>> = {
  accepts: readEnvironment.accepts,
  read(value, at, problems) {
    const read = readEnvironment.read(value, at, problems)
    const file = Object.entries(read ?? {}).find(([, item]) => typeof item !== 'string' && item.as !== undefined)
    if (file === undefined) return read
    const place: Place = { up: at, key: file[0] }
    problems.add('E_CONFIG_SECRET', place, "as: 'file' is for services", { allowed: "secret('NAME')" })
    return undefined
  },
}

const topic = oneOf(noticeTopics, {
  crash: 'crash-loop',
  crashLoop: 'crash-loop',
  cron: 'schedule',
  up: 'deploy',
  job: 'schedule',
})

const topics: Reader<readonly NoticeTopic[]> = {
  accepts: `an array of ${topic.accepts}`,
  read(value, at, problems) {
    if (!Array.isArray(value)) return refuseType(value, this.accepts, at, problems)
    if (value.length === 0 || value.length > 20) return refuseValue(value, `${this.accepts}, at least one`, at, problems)
    const read = readItems(value, at, problems, topic)
    return read === undefined ? undefined : noticeTopics.filter((each) => read.includes(each))
  },
}

export const notifyKeys: WrittenKeys<WrittenNotify> = {
  webhook: {
    type: orSecret(urlNoun, url),
    defaultWords: 'none',
    prose:
      'Where each notice is sent to, by POST as JSON. An answer of 200 to 299 within the time-out takes it; redirects are not followed.',
    example: "'https://hooks.example.com/daruma'",
  },
  headers: {
    type: headers,
    defaultWords: 'none',
    prose: 'Headers of the request, beside `content-type` and `daruma-notice-id`.',
    example: "{ authorization: secret('PAGER_TOKEN') }",
  },
  command: {
    type: command,
    defaultWords: 'none',
    prose:
      'What is run for each notice, in the folder of the config: the JSON is on its standard input and in `DARUMA_NOTICE`. Exit code 0 takes the notice; what still runs of it then is ended.',
    example: "['./page.sh']",
  },
  environment: {
    type: variables,
    defaultWords: 'none',
    prose: 'Variables of the command.',
    example: "{ PAGER: 'ops', PAGER_TOKEN: secret('PAGER_TOKEN') }",
  },
  user: {
    type: text('the name or the number of a user', { longest: 64, pattern: /^(?:[a-z_][a-z0-9_-]*\$?|\d{1,10})$/i }),
    defaultWords: 'the user that runs Daruma',
    prose: 'The user that the command for notices runs as (needs root).',
    example: "'nobody'",
  },
  on: {
    type: topics,
    defaultWords: 'all of them',
    prose:
      'The topics that it gets: `crash-loop` (a service fails again and again, or for good), `blocked` (something cannot be ended, so nothing is started in its place), `schedule` (the last run of a schedule failed), `deploy` (a revision failed).',
    example: "['crash-loop', 'deploy']",
  },
  timeoutMs: {
    key: 'timeout',
    type: duration({ from: 1000, to: 120_000 }),
    defaultWords: "`'10s'`",
    prose: 'How long one attempt to deliver a notice may take.',
    example: "'30s'",
  },
}

export const usualTimeoutMs = 10_000

const target = objectBy('notify', notifyKeys)

const mostTargets = 10

const oneTarget: Reader<PlacedNotify> = {
  accepts: 'an object with exactly one of webhook and command',
  read(value, at, problems) {
    if (!isPlainObject(value)) return refuseType(value, this.accepts, at, problems)
    const before = problems.count
    const written = target.read(value, at, problems)
    if (written === undefined || problems.count > before) return undefined
    return isWhole(written, at, problems) ? { ...written, at } : undefined
  },
}

function isWhole(written: WrittenNotify, at: Place, problems: ProblemList): boolean {
  const isHook = written.webhook !== undefined
  if (isHook === (written.command !== undefined)) {
    const message = isHook ? 'webhook and command stand side by side' : 'neither webhook nor command is given'
    problems.add('E_CONFIG_CONFLICT', at, message, { allowed: oneTarget.accepts })
    return false
  }
  const strangers = isHook ? (['environment', 'user'] as const) : (['headers'] as const)
  const stranger = strangers.find((key) => written[key] !== undefined)
  if (stranger === undefined) return true
  const message = `${stranger} is for a ${isHook ? 'command' : 'webhook'}`
  problems.add('E_CONFIG_CONFLICT', { up: at, key: stranger }, message, { allowed: `no ${stranger}` })
  return false
}

export const notify: Reader<readonly PlacedNotify[]> = {
  accepts: "{ webhook: 'https://…' }, { command: ['./page.sh'] }, or an array of at most 10 of them",
  read(value, at, problems) {
    if (!Array.isArray(value)) {
      if (!isPlainObject(value)) return refuseType(value, this.accepts, at, problems, meantTarget(value))
      const one = oneTarget.read(value, at, problems)
      return one === undefined ? undefined : [one]
    }
    if (value.length > mostTargets) return refuseValue(`${kindOf(value)} of ${value.length}`, this.accepts, at, problems)
    return readItems(value, at, problems, oneTarget)
  },
}

const meantTarget = (value: unknown): string | null =>
  typeof value !== 'string' ? null : urlPattern.test(value) ? `{ webhook: '${value}' }` : `{ command: '…' }`

export const notifyTargetShape: Shape<NotifyTarget> = objectOf<NotifyTarget>({
  to: unionBy<Webhook | NoticeCommand>('kind', {
    webhook: objectOf<Webhook>({ kind: exactly('webhook'), url: orNull(anyText), headers: recordOf(anyText) }),
    command: objectOf<NoticeCommand>({
      kind: exactly('command'),
      command: listOf(anyText),
      directory: anyText,
      user: orNull(anyText),
      environment: recordOf(anyText),
    }),
  }),
  on: listOf(exactly(...noticeTopics)),
  timeoutMs: anyInteger,
  secrets: recordOf(secretShape),
})

/** In a plan. */
export function fieldsOfTarget({ to, on, timeoutMs, secrets }: NotifyTarget, prefix: string): readonly Field[] {
  const texts = (part: string, values: Readonly<Record<string, string>>): readonly Field[] =>
    Object.entries(values).map(([name, value]) => [`${prefix}${part}.${name}`, showText(value)])
  const own: readonly Field[] =
    to.kind === 'webhook'
      ? [...(to.url === null ? [] : [[`${prefix}webhook`, to.url] as const]), ...texts('headers', to.headers)]
      : [
          [`${prefix}command`, command.show(to.command)],
          [`${prefix}directory`, showText(to.directory)],
          [`${prefix}user`, to.user === null ? null : showText(to.user)],
          ...texts('environment', to.environment),
        ]
  const ofSecrets = Object.entries(secrets).map(([name, { source }]) => [`${prefix}${name}`, showSource(source)] as const)
  const timeout = notifyKeys.timeoutMs.type as ReturnType<typeof duration>
  return [...own, ...ofSecrets, [`${prefix}on`, on.join(', ')], [`${prefix}timeout`, timeout.show(timeoutMs)]]
}

/** As a person knows it, with nothing in it that may be a secret: the path of a webhook often is one. */
export function nameOfTarget({ to }: NotifyTarget): string {
  if (to.kind === 'command') return `command ${showShort(to.command)}`
  return to.url === null ? 'webhook (a secret)' : `webhook ${/^https?:\/\/[^/?]+/.exec(to.url)?.[0] ?? ''}`
}

function showShort(words: readonly string[]): string {
  const [shell, flag, line] = words
  const text = shell === '/bin/sh' && flag === '-c' && line !== undefined ? line : words.join(' ')
  return text.length > 40 ? `${text.slice(0, 39)}…` : text
}

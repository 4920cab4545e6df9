/**
 * What a notice says: the body that a webhook is sent and a command is given, version 1 (docs/reference/notices.md). It tells all troubles of a
 * project that have begun or ended since the last one, so that five hundred of them are one notice.
 */

import type { NoticeTopic } from '../keys/notify.ts'
import { lastOf, type Trouble } from './trouble.ts'

/** More than these are counted and not named. */
export const mostTold = 50

export interface Notice<Text extends string = string> {
  readonly version: 1
  /** The same in every attempt: who gets one twice can tell. */
  readonly id: string
  readonly kind: 'troubles' | 'test'
  /** When it was made. ISO 8601 UTC. */
  readonly at: string
  readonly project: string
  readonly stage: string | null
  readonly host: string
  /** All of it in a sentence or a few lines, for a person. */
  readonly text: Text
  /** How many troubles have begun, and how many are over. */
  readonly began: number
  readonly over: number
  /** The first {@link mostTold} of them: those that have begun, then those that are over. */
  readonly troubles: readonly ToldTrouble<Text>[]
}

export interface ToldTrouble<Text extends string = string> {
  readonly topic: NoticeTopic
  readonly service: string | null
  readonly state: 'began' | 'over'
  readonly since: string
  readonly until: string | null
  /** How often it began since it was last told that it is over. */
  readonly times: number
  readonly message: Text
  readonly cause: Text | null
}

export interface Sender {
  readonly project: string
  readonly stage: string | null
  readonly host: string
}

/** What a target that was told up to a number has still to be told, the oldest first. */
export function untold(troubles: readonly Trouble[], toldUpTo: number, topics: readonly NoticeTopic[]): readonly Trouble[] {
  return troubles
    .filter((trouble) => lastOf(trouble) > toldUpTo && topics.includes(trouble.topic))
    .toSorted((a, b) => lastOf(a) - lastOf(b))
}

/** With {@link mostTold} of them the whole is below 128 KiB, which is the most that a variable may have (execve(2)). */
const longestMessage = 200
const longestCause = 300
const linesOfText = 10

export function composeNotice<Text extends string>(
  troubles: readonly Trouble[],
  { sender, redact, ...head }: { readonly sender: Sender; readonly redact: (text: string) => Text } & Pick<Notice, 'id' | 'at'>,
): Notice<Text> {
  const began = troubles.filter(({ over }) => over === null)
  const ended = troubles.filter(({ over }) => over !== null)
  const told = [...began, ...ended].slice(0, mostTold).map((trouble) => shownTrouble(trouble, redact))
  const text = redact(sayAll({ sender, told, began: began.length, over: ended.length }))
  return { version: 1, kind: 'troubles', ...head, ...sender, text, began: began.length, over: ended.length, troubles: told }
}

export function composeTest<Text extends string>(
  head: Pick<Notice, 'id' | 'at'>,
  { sender, redact }: { readonly sender: Sender; readonly redact: (text: string) => Text },
): Notice<Text> {
  const text = redact(`${nameOf(sender)}: a test. Nothing is in trouble by this.`)
  return { version: 1, kind: 'test', ...head, ...sender, text, began: 0, over: 0, troubles: [] }
}

/** Redacted first: what is cut in the middle of a secret is not found any more. */
function shownTrouble<Text extends string>(trouble: Trouble, redact: (text: string) => Text): ToldTrouble<Text> {
  const { topic, service, since, until, times, message, cause, over } = trouble
  return {
    topic,
    service,
    state: over === null ? 'began' : 'over',
    since,
    until,
    times,
    message: cut(redact(message), longestMessage),
    cause: cause === null ? null : cut(redact(cause), longestCause),
  }
}

function cut<Text extends string>(text: Text, longest: number): Text {
  const plain = text.replaceAll(/\p{Cc}/gu, ' ')
  return (plain.length <= longest ? plain : `${plain.slice(0, longest - 1)}…`) as Text
}

const nameOf = ({ project, stage, host }: Sender): string => `${stage === null ? project : `${project}@${stage}`} on ${host}`

function sayAll(what: {
  readonly sender: Sender
  readonly told: readonly ToldTrouble[]
  readonly began: number
  readonly over: number
}): string {
  const { sender, told, began, over } = what
  const lines = told.slice(0, linesOfText).map(sayOne)
  const rest = began + over - lines.length
  if (rest > 0) lines.push(`and ${rest} more`)
  const [only] = lines
  if (lines.length === 1) return `${nameOf(sender)}: ${only}`
  const counts = [...(began > 0 ? [`${began} in trouble`] : []), ...(over > 0 ? [`${over} over`] : [])]
  return [`${nameOf(sender)}: ${counts.join(', ')}`, ...lines].join('\n')
}

function sayOne({ state, message, cause, since, until }: ToldTrouble): string {
  if (state === 'over') return `over: ${message} (${since} to ${until})`
  return cause === null ? message : `${message}: ${cause}`
}

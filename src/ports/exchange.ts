/**
 * Where server and agent meet. Down goes what this host should run, up goes what it runs. Each side owns a picture, a set of named entries
 * under a version that grows with each change, and sends it whole, or as the difference against a version that the other side named.
 * Any message may be lost, repeated, delayed or overtaken by a later one; the next one heals it. Nothing that is passed is ever changed
 * afterwards, and neither side reads the other's memory. In one process a message is a call, between hosts it is a request.
 *
 * What holds on both sides:
 * - An entry that is absent says nothing: the agent ends an instance only for an assignment that says `stopped`.
 * - A side that begins again has a greater `life`. Messages of an earlier life than one that was taken are dropped.
 * - The server counts on a slot's report only once the report names the assignment that was sent last ({@link SlotReport.order}).
 */

import type { RoutedService } from '../core/balance/make-table.ts'
import type { Goal } from '../core/instance/slot.ts'
import type { SlotReport } from '../core/instance/report.ts'
import type { RecordedEvent } from '../core/model/event.ts'
import type { ServiceName, SlotId } from '../core/model/id.ts'
import type { BalancerSettings, Service } from '../core/model/service.ts'

/** What one slot should run, and whether it may begin now. */
export interface Assignment {
  readonly kind: 'slot'
  readonly slot: SlotId
  /** Names this assignment; the slot's report repeats it. */
  readonly order: string
  /** `forget`: nothing is wanted of it any more; once it is vacant its files go, and its report with them. */
  readonly goal: Goal | { readonly kind: 'forget' }
  readonly gate: { readonly open: boolean; readonly because: string | null }
  readonly project: { readonly name: string; readonly stage: string | null }
  /** What a start needs that no specification holds; in clear, so never logged. Null where nothing is to run. */
  readonly secrets: SecretValues | { readonly missing: string } | null
}

export interface SecretValues {
  /** By the variable that the program reads. */
  readonly values: Readonly<Record<string, string>>
  /** For the image's registry; null where it asks for none. */
  readonly registryPassword: string | null
}

/** What the host's balancer should serve of the project, as far as the config says; which instances there are the agent knows itself. */
export interface RoutingWish {
  readonly kind: 'routing'
  /** Names this wish; {@link BalancerReport.appliedOrder} repeats it. */
  readonly order: string
  readonly settings: BalancerSettings
  readonly services: readonly RoutedService[]
  /** By service: the identity of a revision that is only being tried out, with a share of the requests. */
  readonly canaries: Readonly<Record<ServiceName, string>>
}

export type DownEntry = Assignment | RoutingWish
export type UpEntry = ({ readonly kind: 'slot' } & SlotReport) | HostReport | BalancerReport

/** What is in the way of everything on the host. */
export interface HostReport {
  readonly kind: 'host'
  /** Why the container engine does not answer, while it does not. */
  readonly engineFault: string | null
  /** Why the agent cannot write down what it must, while it cannot. */
  readonly condition: string | null
}

export interface BalancerReport {
  readonly kind: 'balancer'
  /** The balancer's own service, as it should run here: null while nothing is routed, or before the first look. */
  readonly service: Service | null
  /** False: there are no routes, so nothing of it should run. Null: not looked yet. */
  readonly isNeeded: boolean | null
  /** Whether its files hold a table: only then may it start. */
  readonly isPrepared: boolean
  /** The wish whose table the running balancer has confirmed, for the instances as they are now; null while that is not certain. */
  readonly appliedOrder: string | null
  /** The wish that this report is about; null before one has come. */
  readonly order: string | null
  /** By service: why its routes cannot be served, where waiting does not help. */
  readonly troubles: Readonly<Record<ServiceName, string>>
}

/** Grows with each event of an agent, over its lives. */
export interface EventId {
  readonly life: number
  readonly sequence: number
}

/** An event as the agent emitted it; by its id none is taken in twice. */
export interface AgentEvent extends Omit<RecordedEvent, 'number' | 'revision'>, EventId {}

/** How far the receiver of a picture is. */
export interface Seen {
  readonly life: number
  readonly version: number
}

export interface PictureMessage<Entry> {
  readonly life: number
  readonly version: number
  /** Null: `changes` is the whole picture. Else what has changed since that version. */
  readonly base: number | null
  /** Null in place of an entry: it is not there any more. */
  readonly changes: readonly (readonly [key: string, entry: Entry | null])[]
}

/** What both directions have in common. */
export interface ExchangeMessage<Entry> {
  readonly picture: PictureMessage<Entry>
  /** Which picture of the other side's the sender has; null: none. */
  readonly seen: Seen | null
  /** The sender does not know yet that the other side has this picture. */
  readonly wantsAnswer: boolean
}

export interface Down extends ExchangeMessage<DownEntry> {
  /** The last event that the server has, and the last that it has written down for good. */
  readonly events: { readonly received: EventId; readonly taken: EventId }
}

export interface Up extends ExchangeMessage<UpEntry> {
  /** All that the server is not known to have, oldest first. */
  readonly events: readonly AgentEvent[]
}

/** One end of the wire. `send` never fails: what does not arrive is sent again. */
export interface Link<Out, In> {
  send(message: Out): void
  /** At most one receiver; a message that comes while there is none is lost. */
  receive(take: (message: In) => void): void
}

export type ServerLink = Link<Down, Up>
export type AgentLink = Link<Up, Down>

/** `replicas`, `singleton`, `job`, `schedule`: how many places a service has, and what filling one means. */

import { wholeNumber } from '../../values/amounts.ts'
import { onlyTrue } from '../../values/scalars.ts'
import { anyInteger, exactly, objectOf, type Shape, unionBy } from '../../values/shape.ts'
import type { Part, WrittenKeys, WrittenOf } from '../key.ts'
import { type Schedule, schedule, timezone } from './schedule.ts'

/** A job's single place is filled once and then done. */
export type Scale =
  | { readonly kind: 'replicas'; readonly count: number }
  | { readonly kind: 'singleton' }
  | { readonly kind: 'job' }
  | { readonly kind: 'schedule'; readonly schedule: Schedule }

export type ScaleKind = Scale['kind']

export interface WrittenScale {
  readonly replicas?: number
  readonly singleton?: true
  readonly job?: true
  readonly schedule?: WrittenOf<Schedule>
  readonly timezone?: string
}

export const mostReplicas: number = 1000

export const scaleKeys: WrittenKeys<WrittenScale> = {
  replicas: {
    type: wholeNumber({ from: 0, to: mostReplicas }),
    defaultWords: '`1`, when none of `singleton`, `job`, `schedule` is said',
    prose: 'How many equal instances run.',
    example: '3',
  },
  singleton: {
    type: onlyTrue,
    defaultWords: 'not a singleton',
    prose: 'Exactly one instance, and never two at the same moment.',
    example: 'true',
  },
  job: {
    type: onlyTrue,
    defaultWords: 'not a job',
    prose: 'Runs to its end once for each revision that changes it, and never on a rollback; exit code 0 is success.',
    example: 'true',
  },
  schedule: {
    type: schedule,
    defaultWords: 'not on a schedule',
    prose:
      'Runs at the ticks of a cron expression, each tick at most once; exit code 0 is success. A run under way is not cut by a new revision. The object form has more options.',
    example: "'0 3 * * *'",
  },
  timezone: {
    type: timezone,
    defaultWords: `\`'${schedule.keys.timezone.default ?? ''}'\``,
    prose: 'The time zone of `schedule`, where that is an expression alone.',
    example: "'Asia/Tokyo'",
  },
}

type Of<Kind extends ScaleKind> = Extract<Scale, { readonly kind: Kind }>

const shape: Shape<Scale> = unionBy<Scale>('kind', {
  replicas: objectOf<Of<'replicas'>>({ kind: exactly('replicas'), count: anyInteger }),
  singleton: objectOf<Of<'singleton'>>({ kind: exactly('singleton') }),
  job: objectOf<Of<'job'>>({ kind: exactly('job') }),
  schedule: objectOf<Of<'schedule'>>({ kind: exactly('schedule'), schedule: schedule.shape }),
})

export const scale: Part<Scale> = {
  shape,
  // The kind is in one field, so that a change of it is one reason: `replicas: 3 → singleton`.
  fields: (value, prefix) => [
    [`${prefix}replicas`, value.kind === 'replicas' ? String(value.count) : value.kind],
    ...(value.kind === 'schedule'
      ? schedule
          .fields(value.schedule, `${prefix}schedule.`)
          .map(([field, text]) => [field.replace(/\.cron$/, ''), text] as const)
      : []),
  ],
  complete(recorded) {
    if (recorded.kind !== 'schedule') return recorded
    const whole = schedule.complete(recorded.schedule)
    return whole === recorded.schedule ? recorded : { kind: 'schedule', schedule: whole }
  },
}

/** `port`: the one that the command finds in `PORT`. */

import { anyInteger, exactly, objectOf, type Shape, unionBy } from '../../values/shape.ts'
import { type Reader, refuseType, refuseValue } from '../../values/value-type.ts'
import type { Part } from '../key.ts'
import type { ScaleKind } from './scale.ts'

/** `auto` ports come from the daemon's range, one a slot, and stay with the slot across restarts. */
export type PortRequest =
  | { readonly kind: 'none' }
  | { readonly kind: 'auto' }
  | { readonly kind: 'fixed'; readonly port: number }

export const usualPort = (kind: ScaleKind): 'auto' | false => (kind === 'job' || kind === 'schedule' ? false : 'auto')

export const readPort: Reader<PortRequest> = {
  accepts: "'auto', false, or a port from 1 to 65535",
  read(value, at, problems) {
    if (value === 'auto') return { kind: 'auto' }
    if (value === false) return { kind: 'none' }
    if (typeof value === 'number') {
      if (Number.isInteger(value) && value >= 1 && value <= 65_535) return { kind: 'fixed', port: value }
      return refuseValue(value, this.accepts, at, problems)
    }
    const digits = typeof value === 'string' ? /^(?:\d{1,5}:)?(\d{1,5})$/.exec(value) : null
    const list = Array.isArray(value) && value.length === 1 ? /^(?:\d{1,5}:)?(\d{1,5})$/.exec(String(value[0])) : null
    const meant = value === true ? "'auto'" : ((digits ?? list)?.[1] ?? null)
    return typeof value === 'string'
      ? refuseValue(value, this.accepts, at, problems, meant)
      : refuseType(value, this.accepts, at, problems, meant)
  },
}

type Of<Kind extends PortRequest['kind']> = Extract<PortRequest, { readonly kind: Kind }>

const shape: Shape<PortRequest> = unionBy<PortRequest>('kind', {
  none: objectOf<Of<'none'>>({ kind: exactly('none') }),
  auto: objectOf<Of<'auto'>>({ kind: exactly('auto') }),
  fixed: objectOf<Of<'fixed'>>({ kind: exactly('fixed'), port: anyInteger }),
})

export const port: Part<PortRequest> = {
  shape,
  fields: (value, prefix) => [[`${prefix}port`, value.kind === 'fixed' ? String(value.port) : value.kind]],
  complete: (recorded) => recorded,
}

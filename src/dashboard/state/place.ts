/** Where in the page we are, as its address says: everything behind `#`, so that the page needs no server for it. */

export type Place =
  | { readonly kind: 'overview' }
  | { readonly kind: 'service'; readonly name: string }
  | { readonly kind: 'events'; readonly service: string | null }
  | { readonly kind: 'revisions' }
  | { readonly kind: 'revision'; readonly number: number }

export function readPlace(hash: string): Place {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?')
  const [view = '', subject = ''] = path.split('/').map(decode)
  if (view === 'services' && subject !== '') return { kind: 'service', name: subject }
  if (view === 'events') return { kind: 'events', service: new URLSearchParams(query).get('service') }
  if (view === 'revisions')
    return /^[1-9]\d*$/.test(subject) ? { kind: 'revision', number: Number(subject) } : { kind: 'revisions' }
  return { kind: 'overview' }
}

export function addressOf(place: Place): string {
  switch (place.kind) {
    case 'overview':
      return '#/'
    case 'service':
      return `#/services/${encodeURIComponent(place.name)}`
    case 'events':
      return place.service === null ? '#/events' : `#/events?service=${encodeURIComponent(place.service)}`
    case 'revisions':
      return '#/revisions'
    case 'revision':
      return `#/revisions/${place.number}`
  }
}

/** An address that somebody has cut is no reason for an empty page. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

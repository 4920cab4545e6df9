/**
 * Where in the page we are, as its address says: the view stands behind `#`, so that the page needs no server for it, and the project before
 * it (`?project=shop#/events`), where a link to another view leaves it alone.
 */

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

/** The project that is looked at; null for all that there are. */
export function readProject(search: string): string | null {
  const project = new URLSearchParams(search).get('project')
  return project === '' ? null : project
}

/** Of a place in a project, or in all of them. */
export function addressIn(project: string | null, place: Place): string {
  return `./${project === null ? '' : `?project=${encodeURIComponent(project)}`}${addressOf(place)}`
}

/** The same view of another project, which has other services and other revisions. */
export function placeElsewhere(place: Place): Place {
  switch (place.kind) {
    case 'overview':
    case 'service':
      return { kind: 'overview' }
    case 'events':
      return { kind: 'events', service: null }
    case 'revisions':
    case 'revision':
      return { kind: 'revisions' }
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

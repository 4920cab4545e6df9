/**
 * The keys, as a table that the help shows too. Single letters disturb some who speak to their computer or tremble (WCAG 2.1.4), so they can
 * be turned off; what is typed into a field is never a shortcut.
 */

import { useEffect } from 'preact/hooks'

export const shortcuts: readonly { readonly keys: readonly string[]; readonly meaning: string }[] = [
  { keys: ['g', 's'], meaning: 'Services' },
  { keys: ['g', 'e'], meaning: 'Events' },
  { keys: ['g', 'r'], meaning: 'Revisions' },
  { keys: ['j'], meaning: 'Next row' },
  { keys: ['k'], meaning: 'Row before' },
  { keys: ['Enter'], meaning: 'Open the row' },
  { keys: ['u'], meaning: 'Up: from a service to all of them' },
  { keys: ['/'], meaning: 'Filter' },
  { keys: ['p'], meaning: 'Hold the logs, or let them go on' },
  { keys: ['?'], meaning: 'This list' },
]

const offKey = 'daruma-keys-off'

export const areKeysOn = (): boolean => localStorage.getItem(offKey) === null

export function turnKeys(isOn: boolean): void {
  if (isOn) localStorage.removeItem(offKey)
  else localStorage.setItem(offKey, '1')
}

/** How long `g` waits for its second letter. */
const pairMs = 1500

export function useKeys({ onHelp }: { readonly onHelp: () => void }): void {
  useEffect(() => {
    let wentAtMs = Number.NEGATIVE_INFINITY
    const press = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || !areKeysOn()) return
      if (document.querySelector('dialog[open]') !== null) return
      const isPair = event.timeStamp - wentAtMs < pairMs
      wentAtMs = event.key === 'g' ? event.timeStamp : Number.NEGATIVE_INFINITY
      const act = isPair ? places[event.key] : event.key === '?' ? onHelp : acts[event.key]
      if (act === undefined) return
      event.preventDefault()
      act()
    }
    document.addEventListener('keydown', press)
    return () => document.removeEventListener('keydown', press)
  }, [onHelp])
}

const go = (hash: string) => (): void => {
  location.hash = hash
}

const places: Readonly<Record<string, () => void>> = { s: go('#/'), e: go('#/events'), r: go('#/revisions') }

const acts: Readonly<Record<string, () => void>> = {
  j: () => step(1),
  k: () => step(-1),
  u: go('#/'),
  '/': () => focusOn('[data-filter]'),
  p: () => document.querySelector<HTMLElement>('[data-hold]')?.click(),
}

function step(by: 1 | -1): void {
  const rows = [...document.querySelectorAll<HTMLElement>('[data-row]')]
  const at = rows.indexOf(document.activeElement as HTMLElement)
  const next = rows[at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(Math.max(at + by, 0), rows.length - 1)]
  next?.focus()
}

function focusOn(selector: string): void {
  document.querySelector<HTMLElement>(selector)?.focus()
}

function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement && target.closest('input:not([type=checkbox]), textarea, select, [contenteditable]') !== null
  )
}

/** A state: its dot and its word. The dot repeats the word for quick eyes and is silent for screen readers. */

import type { ComponentChildren, JSX } from 'preact'
import type { Tone } from '../state/tone.ts'

export function Mark({ tone, children }: { readonly tone: Tone; readonly children: ComponentChildren }): JSX.Element {
  return (
    <span class={`mark tone-${tone}`}>
      <span class="dot" aria-hidden="true" />
      {children}
    </span>
  )
}

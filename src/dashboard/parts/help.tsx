/** The list of keys. The browser's own dialog keeps the focus inside and gives it back. */

import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { areKeysOn, shortcuts, turnKeys } from '../keys.ts'

export function Help({ isOpen, onClose }: { readonly isOpen: boolean; readonly onClose: () => void }): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null)
  const [isOn, setOn] = useState(areKeysOn)
  useEffect(() => {
    if (isOpen) dialog.current?.showModal()
  }, [isOpen])
  return (
    <dialog ref={dialog} class="help" aria-labelledby="help-title" onClose={onClose}>
      <div class="help-inner">
        <h2 id="help-title">Keyboard shortcuts</h2>
        <dl>
          {shortcuts.map(({ keys, meaning }) => (
            <div>
              <dt>
                {keys.map((key) => (
                  <kbd>{key}</kbd>
                ))}
              </dt>
              <dd>{meaning}</dd>
            </div>
          ))}
        </dl>
        <label class="check">
          <input
            type="checkbox"
            checked={isOn}
            onChange={(event) => {
              turnKeys(event.currentTarget.checked)
              setOn(event.currentTarget.checked)
            }}
          />
          Listen to single keys
        </label>
        <button type="button" autofocus onClick={() => dialog.current?.close()}>
          Close
        </button>
      </div>
    </dialog>
  )
}

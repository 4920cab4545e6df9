/** The database's layout: written into a new one, and held against this version before anything else is read. */

import { DarumaError } from '../ports/error.ts'
import type { Store } from '../ports/storage/store.ts'
import { put, readRecord } from '../ports/storage/json-records.ts'
import { keys, layoutVersion } from '../server/records.ts'

/** Throws `E_STATE_NEWER` when a later version has written it, and `E_STATE_FORMER` when it holds one project as earlier versions kept it. */
export async function checkLayout(store: Store): Promise<void> {
  const layout = await readRecord<number>(store, keys.layout)
  if (layout !== null && layout > layoutVersion) {
    throw new DarumaError(
      'E_STATE_NEWER',
      `The state was written by a newer version of daruma (layout ${layout}, this one knows ${layoutVersion}).`,
      { hint: 'Use that version again. Nothing was changed.' },
    )
  }
  if (layout !== null && layout < layoutVersion) {
    // Its slots would be the machine's own here, which no config names: they would be ended.
    throw new DarumaError('E_STATE_FORMER', `The state holds one project as an earlier version kept it (layout ${layout}).`, {
      hint: 'Nothing was changed. With that version: `daruma down --state DIR`; then with this one: `daruma up` with another directory. Its volumes are in DIR/volumes.',
    })
  }
  if (layout !== layoutVersion) await store.transact({ then: [put(keys.layout, layoutVersion)] })
}

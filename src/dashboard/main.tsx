/** Where the page begins: the token is taken, the looking starts, the first drawing is made. */

import { render } from 'preact'
import { App } from './app.tsx'
import { takeToken } from './state/daemon-client.ts'
import { Live } from './state/live.ts'
import { readProject } from './state/place.ts'
import { LiveContext } from './state/use-live.ts'

takeToken()
const live = new Live(readProject(location.search))
// The link of a second `daruma ui`, opened in this very tab.
addEventListener('hashchange', () => {
  if (takeToken()) live.again(readProject(location.search))
})
addEventListener('popstate', () => live.lookAt(readProject(location.search)))
const page = document.getElementById('page')
if (page !== null) {
  page.replaceChildren()
  render(
    <LiveContext.Provider value={live}>
      <App />
    </LiveContext.Provider>,
    page,
  )
}
live.begin()

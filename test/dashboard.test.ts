/** The page in a real Chromium, before a real daemon with a real project: what somebody who looks sees, and what they cannot do. */
import assert from 'node:assert/strict'
import { request } from 'node:http'
import { after, before, describe, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { hangLimit } from './hang-limit.ts'
import type { PageAnswer } from '../src/protocol/api.ts'
import { faintTexts, namelessThings, noBrowser, openBrowser, openTab, type Watched } from './browser.ts'
import { Machine, fixtures } from './daemon-harness.ts'
import { readOpenMetrics } from './open-metrics.ts'
import { until } from './processes.ts'
import { freePort } from './free-ports.ts'

const longName = 'a-service-with-a-name-of-forty-letters-x'
const views = ['#/', '#/services/web', '#/events', '#/events?service=web', '#/revisions', '#/revisions/1']

describe('the page', { skip: noBrowser }, () => {
  const machine = new Machine()
  let browser: Browser
  let link: PageAnswer
  let tab: Watched
  let page: Page
  let route: number

  before(async () => {
    route = await freePort()
    await machine.up({
      web: {
        command: [process.execPath, `${fixtures}/talker.mjs`],
        replicas: 2,
        health: { http: '/', interval: '500ms' },
        route: { port: route },
      },
      [longName]: { command: ['sleep', '1000000'], singleton: true },
      done: { command: ['true'], job: true },
      chime: { command: 'echo dong', schedule: '* * * * * *', timezone: 'UTC' },
    })
    const { stdout } = await machine.run(['ui', '--json'])
    link = JSON.parse(stdout) as PageAnswer
    browser = await openBrowser()
    tab = await openTab(browser)
    page = tab.page
    await page.goto(link.url)
  })

  after(async () => {
    await browser?.close()
    await machine[Symbol.asyncDispose]()
  })

  const visit = async (place: string): Promise<void> => {
    await page.evaluate((hash) => (location.hash = hash), place)
    await page.locator('h1').waitFor({ state: 'attached' })
  }
  const rowOf = (name: string) => page.getByRole('row').filter({ has: page.getByRole('link', { name, exact: true }) })

  test('shows the project, its services and each instance, and the browser has nothing to complain of', async () => {
    await page.getByText('Live', { exact: true }).waitFor()
    assert.equal(await page.title(), 'Services · test · Daruma')
    await rowOf('web').getByText('2 of 2 ready').waitFor()
    await rowOf(longName).getByText('strict', { exact: true }).waitFor()
    await rowOf('done').getByText('done').nth(1).waitFor()
    const { epoch, port } = await machine.instance('web/1')
    const instance = page.getByRole('row').filter({ has: page.getByRole('rowheader', { name: 'web/1', exact: true }) })
    await instance.getByText('healthy').waitFor()
    await instance.getByText(String(epoch)).waitFor()
    await instance.getByText(`:${port}`).waitFor()
    // Use of CPU is there with the second sample.
    await until('memory and CPU are shown', 10_000, async () => /\d\.\d\d.*MiB/s.test((await instance.textContent()) ?? ''))
    assert.deepEqual(tab.complaints, [])
  })

  test('of a slot whose name is cut off its number is still to be seen', async () => {
    for (const width of [1280, 390]) {
      await page.setViewportSize({ width, height: 800 })
      const cell = page.getByRole('rowheader', { name: `${longName}/0`, exact: true })
      const [whole, number] = await Promise.all([cell.boundingBox(), cell.getByText('/0', { exact: true }).boundingBox()])
      assert.ok(whole !== null && number !== null)
      assert.ok(
        number.width > 5 && number.x + number.width <= whole.x + whole.width + 1,
        JSON.stringify({ width, whole, number }),
      )
    }
    await page.setViewportSize({ width: 1280, height: 800 })
  })

  test('what nobody probes was proven when it was measured, and not when it began', async () => {
    await visit(`#/services/${longName}`)
    const cells = page.getByRole('row').filter({ has: page.getByRole('rowheader', { name: `${longName}/0`, exact: true }) })
    const secondsOf = async (label: string): Promise<number> =>
      Number(/^([\d.]+) s/.exec((await cells.locator(`[data-label="${label}"]`).textContent()) ?? '')?.[1] ?? Number.NaN)
    await until(
      'it lived longer than its last proof is old',
      15_000,
      async () => (await secondsOf('Uptime')) > (await secondsOf('Proven')) + 2,
    )
    await visit('#/')
  })

  test('the token leaves the address at once, survives a reload in this tab, and nobody else has it', async () => {
    assert.equal(new URL(page.url()).hash, '#/')
    await page.reload()
    await rowOf('web').waitFor()
    const other = await openTab(browser)
    await other.page.goto(`http://127.0.0.1:${link.port}/`)
    await other.page.getByRole('heading', { name: 'This page needs its link' }).waitFor()
    await other.close()
  })

  test('the daemon tells nobody without the token, under no foreign name, and nothing but GET', async () => {
    const bearer = { authorization: `Bearer ${link.token}` }
    const ask = (path: string, headers: Record<string, string>, method = 'GET'): Promise<readonly [number, string]> =>
      new Promise((resolve, reject) => {
        const call = request({ host: '127.0.0.1', port: link.port, path, method, headers }, (response) => {
          let text = ''
          response.on('data', (part: Buffer) => (text += part.toString()))
          response.on('end', () => resolve([response.statusCode ?? 0, text]))
        })
        call.on('error', reject)
        call.end()
      })
    for (const path of ['/v1/overview', '/v1/status', '/v1/series', '/v1/events', '/v1/logs', '/v1/revisions', '/metrics'])
      assert.deepEqual([path, (await ask(path, {}))[0]], [path, 401])
    assert.equal((await ask('/v1/status', { ...bearer, host: 'rebound.example' }))[0], 421)
    assert.equal((await ask('/v1/daemon/stop', bearer, 'POST'))[0], 405)
    const [status, text] = await ask('/metrics', bearer)
    assert.equal(status, 200)
    const up = readOpenMetrics(text).get('daruma_instance_up')
    // A run of the schedule lives now and then.
    const lasting = up?.samples.filter(({ labels, value }) => value === 1 && labels.get('service') !== 'chime')
    assert.equal(lasting?.length, 4)
  })

  test('a second `daruma ui` prints the same link', async () => {
    const { stdout } = await machine.run(['ui'])
    assert.equal(stdout, `${link.url}\n`)
  })

  test('a kill is told as it happens, and counted', async () => {
    const { pid } = await machine.instance('web/0')
    await machine.kill('instance', 'web/0')
    await page.getByRole('log', { name: 'Events' }).getByText('ended by SIGKILL', { exact: true }).waitFor()
    await rowOf('web').getByText('2 of 2 ready').waitFor()
    const instance = page.getByRole('row').filter({ has: page.getByRole('rowheader', { name: 'web/0', exact: true }) })
    await instance.getByRole('cell', { name: '1', exact: true }).waitFor()
    assert.notEqual((await machine.instance('web/0')).pid, pid)
  })

  test('a service has its plots, its events, and its logs, which follow, can be held and cut down', async () => {
    await visit('#/services/web')
    await page.getByRole('heading', { name: 'web', exact: true }).waitFor()
    const cpu = page.getByRole('img', { name: /^CPU over the last 10 minutes/ })
    await cpu.locator('canvas').waitFor()
    await page.getByRole('img', { name: /Memory.*all: now [\d.]+ MiB/ }).waitFor()
    await until('something is drawn', 10_000, () =>
      cpu.locator('canvas').evaluate((canvas: HTMLCanvasElement) => {
        const { data } = canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height) ?? { data: [] }
        return data.some((value) => value !== 0)
      }),
    )
    const logs = page.getByRole('log', { name: 'Logs of web' })
    const lastTick = async (): Promise<number> =>
      Math.max(0, ...[...((await logs.textContent()) ?? '').matchAll(/tick (\d+)/g)].map(([, count]) => Number(count)))
    await until('the logs are there', 10_000, async () => (await lastTick()) > 0)
    const first = await lastTick()
    await until('the logs follow', 10_000, async () => (await lastTick()) > first + 2)
    const isAtEnd = (): Promise<boolean> => logs.evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight < 30)
    await until('its end is in sight', 5000, isAtEnd)
    // Long lines are as high as they are only once they are seen: that must not look like a reader who has scrolled away.
    await until('there are many of them', 15_000, async () => (await lastTick()) > 40)
    await visit('#/')
    await visit('#/services/web')
    await until('they are there again', 5000, async () => (await lastTick()) > 45)
    await until('its end is still in sight', 5000, isAtEnd)
    const toEnd = page.getByRole('button', { name: 'To the end' })
    assert.equal(await toEnd.count(), 0)
    await logs.hover()
    await page.mouse.wheel(0, -10)
    await toEnd.waitFor()
    await page.mouse.wheel(0, -300)
    const gone = await lastTick()
    await until('they go on while they are read', 10_000, async () => (await lastTick()) > gone + 3)
    assert.equal(await isAtEnd(), false)
    await toEnd.click()
    await until('its end is in sight again', 5000, isAtEnd)

    await page.getByRole('button', { name: 'Hold' }).click()
    const held = await lastTick()
    await page.getByRole('button', { name: /Go on \([1-9]\d* new\)/ }).waitFor()
    assert.equal(await lastTick(), held)
    await page.getByRole('button', { name: /Go on/ }).click()
    await until('they go on', 5000, async () => (await lastTick()) > held)

    await page.getByRole('searchbox', { name: 'Filter log lines' }).fill('asked for /')
    await until('only these are left', 5000, async () => {
      const text = (await logs.textContent()) ?? ''
      return text.includes('asked for /') && !text.includes('tick')
    })
    await page.getByRole('log', { name: 'Events' }).getByText('ended by SIGKILL', { exact: true }).waitFor()
    assert.deepEqual(tab.complaints, [])
  })

  test('requests and failures are plotted as the balancer counts them', async () => {
    await visit('#/services/web')
    const requests = page.getByRole('img', { name: /^Requests over the last 10 minutes/ })
    const most = async (what: string): Promise<number> =>
      Number(new RegExp(`${what}: now [^,]+, at most ([\\d.]+)`).exec((await requests.getAttribute('aria-label')) ?? '')?.[1])
    const end = performance.now() + hangLimit(20_000)
    while (!((await most('requests')) > 1 && (await most('failed')) > 0.4)) {
      assert.ok(performance.now() < end, (await requests.getAttribute('aria-label')) ?? '')
      assert.equal((await fetch(`http://127.0.0.1:${route}/`)).status, 200)
      assert.equal((await fetch(`http://127.0.0.1:${route}/bad`)).status, 500)
      await page.waitForTimeout(100)
    }
    await page.getByRole('img', { name: /^Latency.*mean: now [\d.]+ ms/ }).waitFor()
    await visit('#/')
    await rowOf('web')
      .getByRole('link', { name: `http://*:${route}` })
      .waitFor()
    await rowOf('@balancer').getByText('1 of 1 ready').waitFor()
  })

  test('a schedule tells how its last run ended and when the next one is due; its page lists the runs, and what they printed', async () => {
    await visit('#/')
    await rowOf('chime')
      .getByText(/last succeeded|running|starting|ending/)
      .waitFor()
    await rowOf('chime')
      .getByText(/in \d s, \* \* \* \* \* \* UTC/)
      .waitFor()
    await visit('#/services/chime')
    const runs = page.locator('section').filter({ has: page.getByRole('heading', { name: 'Runs' }) })
    await runs.getByRole('row').filter({ hasText: 'succeeded' }).nth(2).waitFor()
    await page.getByRole('log', { name: 'Logs of chime' }).getByText('dong').first().waitFor()
  })

  test('a revision shows its plan, and what became of it', async () => {
    await visit('#/revisions')
    await page.getByRole('row', { name: /^1 applied up/ }).waitFor()
    await page.getByRole('link', { name: '1', exact: true }).click()
    await page.getByRole('heading', { name: 'Revision 1' }).waitFor()
    const step = page.getByRole('listitem').filter({ hasText: 'web2 replicas' })
    await step.getByLabel('create').waitFor()
  })

  test('an operation under way is seen, with its last sentence, and its revision when it is over', async () => {
    await visit('#/')
    const scaling = machine.run(['scale', 'web=3'])
    await rowOf('web')
      .getByText(/of 3 ready/)
      .waitFor()
    await rowOf('web').getByText('3 of 3 ready').waitFor()
    assert.equal((await scaling).code, 0)
    await page.getByText('none under way').waitFor()
    await page.getByRole('link', { name: '2', exact: true }).waitFor()
  })

  test('everything can be reached by keyboard alone, and the focus is always seen', async () => {
    await visit('#/')
    await page.reload()
    await rowOf('web').waitFor()
    const focused = (): Promise<string> =>
      page.evaluate(() => {
        const { activeElement } = document
        return activeElement?.getAttribute('aria-label') ?? activeElement?.textContent?.trim() ?? ''
      })
    await page.keyboard.press('Tab')
    assert.equal(await focused(), 'Skip to the content')
    await page.keyboard.press('Enter')
    assert.equal(await page.evaluate(() => document.activeElement?.id), 'main')

    const order: string[] = []
    for (let step = 0; step < 40; step += 1) {
      await page.keyboard.press('Tab')
      order.push(await focused())
      const outline = await page.evaluate(() => {
        const { activeElement } = document
        return activeElement === null || activeElement === document.body ? 'body' : getComputedStyle(activeElement).outlineStyle
      })
      assert.notEqual(outline, 'none', `the focus on "${order.at(-1)}" is not seen`)
      if (order.at(-1) === 'Events') break
    }
    const at = (name: string): number => order.findIndex((each) => each.startsWith(name))
    assert.ok(at('Filter services') >= 0 && at('Filter services') < at(longName) && at(longName) < at('web'), order.join(' | '))

    await page.keyboard.press('j')
    assert.equal(await focused(), longName)
    for (let step = 0; step < 5 && (await focused()) !== 'web'; step += 1) await page.keyboard.press('j')
    assert.equal(await focused(), 'web')
    await page.keyboard.press('k')
    assert.equal(await focused(), 'done')
    await page.keyboard.press('j')
    await page.keyboard.press('Enter')
    await page.getByRole('heading', { name: 'web', exact: true }).waitFor()
    await page.keyboard.press('/')
    assert.equal(await focused(), 'Filter log lines')
    await page.keyboard.type('gu?')
    assert.equal(await page.getByRole('searchbox').inputValue(), 'gu?')
    await page.evaluate(() => (document.activeElement as HTMLElement).blur())
    await page.keyboard.press('g')
    await page.keyboard.press('e')
    await page.getByRole('heading', { name: 'Events' }).waitFor()
    await page.keyboard.press('?')
    await page.getByRole('dialog', { name: 'Keyboard shortcuts' }).waitFor()
    await page.keyboard.press('Escape')
    await page.getByRole('dialog').waitFor({ state: 'hidden' })
  })

  test('the list of services can be cut down to a name, and to trouble', async () => {
    await visit('#/')
    await page.getByRole('searchbox', { name: 'Filter services' }).fill('we')
    await rowOf(longName).waitFor({ state: 'detached' })
    assert.equal(await rowOf('web').count(), 1)
    await page.getByRole('searchbox', { name: 'Filter services' }).fill('')
    await page.getByLabel(/Only trouble/).check()
    await page.getByText('No service is in trouble.').waitFor()
    await page.getByLabel(/Only trouble/).uncheck()
  })

  test('every view has names for what can be used, texts that stand out in light and dark, and fits a phone', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      const small = await openTab(browser, { viewport: { width: 360, height: 740 }, colorScheme })
      await small.page.goto(link.url)
      await small.page.getByText('Live', { exact: true }).waitFor()
      for (const view of views) {
        await small.page.evaluate((hash) => (location.hash = hash), view)
        await small.page.locator('h1').waitFor({ state: 'attached' })
        const width = await small.page.evaluate(() => document.documentElement.scrollWidth)
        assert.ok(width <= 360, `${view} is ${width} px wide`)
        assert.deepEqual(await faintTexts(small.page), [], `${view} in ${colorScheme}`)
        assert.deepEqual(await namelessThings(small.page), [], view)
        assert.equal(await small.page.locator('h1').count(), 1, view)
      }
      assert.deepEqual(small.complaints, [])
      await small.close()
    }
  })

  test('nothing moves in a page that is drawn', async () => {
    const shifting = await openTab(browser)
    const fresh = shifting.page
    await fresh.addInitScript(() => {
      const scope = globalThis as unknown as { shifts: { value: number; what: string }[] }
      scope.shifts = []
      interface Shift extends PerformanceEntry {
        readonly value: number
        readonly sources: readonly { readonly node: Node | null }[]
      }
      new PerformanceObserver((list) => {
        for (const { value, sources } of list.getEntries() as Shift[]) {
          const elements = sources.map(({ node }) => (node instanceof Element ? node : (node?.parentElement ?? null)))
          // What is followed scrolls: that is its use.
          const moved = elements.filter((element) => element !== null && element.closest('[role=log]') === null)
          if (moved.length > 0)
            scope.shifts.push({ value, what: moved.map((element) => element?.outerHTML.slice(0, 80)).join(' ') })
        }
      }).observe({ type: 'layout-shift', buffered: true })
    })
    await fresh.goto(link.url)
    await fresh.getByRole('link', { name: 'web', exact: true }).waitFor()
    await fresh.waitForTimeout(5000)
    const shifts = await fresh.evaluate(() => (globalThis as unknown as { shifts: { value: number; what: string }[] }).shifts)
    const sum = shifts.reduce((total, { value }) => total + value, 0)
    // The limit that the web's own measure calls good.
    assert.ok(sum < 0.1, `${sum}: ${JSON.stringify(shifts, null, 1)}`)
    await shifting.close()
  })

  test('a daemon that dies is noticed and said; the next one is found by itself, and the events go on', async () => {
    await visit('#/')
    await rowOf('web').waitFor()
    const daemon = await machine.findOne('daemon')
    await machine.kill('supervisor', undefined, 'SIGSTOP')
    await machine.kill('daemon')
    await page.getByText(/^Not connected to the daemon since \d\d:\d\d:\d\d/).waitFor()
    await page.getByText(/^\d+ s old$/).waitFor()
    assert.equal(await rowOf('web').count(), 1)
    await machine.kill('supervisor', undefined, 'SIGCONT')
    await page.getByText(/^Reconnected\. The daemon was restarted \(pid \d+\)/).waitFor({ timeout: hangLimit(30_000) })
    await page.getByText('Live', { exact: true }).waitFor()
    assert.notEqual((await machine.findOne('daemon')).pid, daemon.pid)
    // In the short list a second's runs of the schedule soon push it out.
    await visit('#/events')
    await page
      .getByRole('log', { name: 'Events' })
      .getByText(/the daemon started/)
      .last()
      .waitFor()
    assert.deepEqual(tab.complaints, [])
  })

  test('a hidden tab has nothing measured for it', async () => {
    let asked = 0
    page.on('request', () => (asked += 1))
    await page.evaluate(() => {
      Object.defineProperty(document, 'hidden', { value: true, configurable: true })
      document.dispatchEvent(new Event('visibilitychange'))
    })
    await page.waitForTimeout(300)
    const before = asked
    await page.waitForTimeout(4500)
    assert.equal(asked, before)
    await page.evaluate(() => {
      Object.defineProperty(document, 'hidden', { value: false, configurable: true })
      document.dispatchEvent(new Event('visibilitychange'))
    })
    await until('it asks again', 5000, () => asked > before)
  })
})

/** The page before a daemon with two projects: one of them or both, as the reader chooses, and nothing of one is ever taken for the other's. */

import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import type { PageAnswer } from '../src/protocol/api.ts'
import { faintTexts, namelessThings, noBrowser, openBrowser, openTab, type Watched } from './browser.ts'
import { Machine, reporter } from './daemon-harness.ts'

const views = ['#/', '#/services/shop%2Fweb', '#/events', '#/revisions', '#/revisions/1']

describe('the page of several projects', { skip: noBrowser }, () => {
  const machine = new Machine()
  let browser: Browser
  let link: PageAnswer
  let tab: Watched
  let page: Page

  const apply = async (name: string, services: object): Promise<void> => {
    machine.writeConfigText(`export default define(${JSON.stringify({ name, services })})`)
    const { code, stdout, stderr } = await machine.run(['up', '--yes', '--new'])
    assert.equal(code, 0, `${stdout}${stderr}`)
  }
  const chime = { command: 'echo dong', schedule: '* * * * * *', timezone: 'UTC' }

  before(async () => {
    await apply('shop', { web: reporter(), chime })
    await apply('shop', { web: { ...reporter(), replicas: 2 }, chime })
    await apply('blog', { web: reporter(), editor: reporter() })
    link = JSON.parse((await machine.run(['ui', '--json'])).stdout) as PageAnswer
    browser = await openBrowser()
    tab = await openTab(browser)
    page = tab.page
    await page.goto(`http://127.0.0.1:${link.port}/#token=${link.token}`)
  })

  after(async () => {
    await browser?.close()
    await machine[Symbol.asyncDispose]()
  })

  const visit = async (place: string): Promise<void> => {
    await page.evaluate((hash) => (location.hash = hash), place)
    await page.locator('h1').waitFor({ state: 'attached' })
  }
  const selector = (of: Page = page) => of.getByRole('combobox', { name: 'Project' })
  const services = (of: Page = page): Promise<readonly string[]> => of.locator('table.services [data-row]').allTextContents()
  const rowOf = (name: string) => page.getByRole('row').filter({ has: page.getByRole('link', { name, exact: true }) })
  const titleOf = (what: string) => page.waitForFunction((title) => document.title === title, what)
  const whole = ['blog/editor', 'blog/web', 'shop/chime', 'shop/web']

  test('`daruma ui` leads to the project that it is about, which the page can leave', async () => {
    // The config in reach is that of blog.
    assert.equal(link.url, `http://127.0.0.1:${link.port}/?project=blog#token=${link.token}`)
    const { stdout } = await machine.run(['ui', '-p', 'shop'])
    assert.equal(stdout, `http://127.0.0.1:${link.port}/?project=shop#token=${link.token}\n`)
    const other = await openTab(browser)
    await other.page.goto(stdout.trim())
    await other.page.getByRole('link', { name: 'chime', exact: true }).waitFor()
    assert.deepEqual([await selector(other.page).inputValue(), new URL(other.page.url()).search], ['shop', '?project=shop'])
    assert.deepEqual((await services(other.page)).toSorted(), ['chime', 'web'])
    assert.deepEqual(other.complaints, [])
    await other.close()
  })

  test('shows the services of all of them, each behind its project', async () => {
    await rowOf('shop/web').getByText('2 of 2 ready').waitFor()
    await rowOf('blog/web').getByText('1 of 1 ready').waitFor()
    assert.deepEqual((await services()).toSorted(), whole)
    await titleOf('Services · all projects · Daruma')
    assert.equal(await selector().inputValue(), '')
    assert.deepEqual(await selector().locator('option').allTextContents(), ['All projects', 'blog', 'shop'])
    assert.deepEqual(tab.complaints, [])
  })

  test('one that is chosen is shown alone, also after a reload; and back to all', async () => {
    await page.evaluate(() => (document.body.dataset['since'] = 'before'))
    await selector().focus()
    await selector().selectOption('blog')
    await rowOf('editor').waitFor()
    assert.deepEqual((await services()).toSorted(), ['editor', 'web'])
    await titleOf('Services · blog · Daruma')
    const { epoch } = await machine.instance('blog/web/0')
    const instance = page.getByRole('row').filter({ has: page.getByRole('rowheader', { name: 'web/0', exact: true }) })
    await instance.getByText(String(epoch)).waitFor()
    assert.equal(new URL(page.url()).search, '?project=blog')
    // The page is the same one, and whoever chooses by keyboard goes on from where they are.
    assert.equal(await page.evaluate(() => document.body.dataset['since']), 'before')
    assert.equal(await page.evaluate(() => document.activeElement?.getAttribute('aria-label')), 'Project')

    await page.reload()
    await rowOf('editor').waitFor()
    assert.deepEqual([await selector().inputValue(), (await services()).toSorted()], ['blog', ['editor', 'web']])

    await selector().selectOption('')
    await rowOf('shop/chime').waitFor()
    assert.deepEqual([(await services()).toSorted(), new URL(page.url()).search], [whole, ''])
    await page.goBack()
    await rowOf('editor').waitFor()
    assert.deepEqual([await selector().inputValue(), (await services()).toSorted()], ['blog', ['editor', 'web']])
    await page.goForward()
    await rowOf('shop/chime').waitFor()
    assert.deepEqual(tab.complaints, [])
  })

  test('a link to another view stays in the project; the events are its own', async () => {
    await selector().selectOption('shop')
    await rowOf('chime').waitFor()
    await page.getByRole('navigation').getByRole('link', { name: 'Events' }).click()
    const log = page.getByRole('log', { name: 'Events' })
    await log.getByText('web/1', { exact: true }).first().waitFor()
    assert.equal(await log.getByText('editor/0', { exact: true }).count(), 0)
    // The events of one project end with the next one's choice.
    await selector().selectOption('blog')
    await log.getByText('editor/0', { exact: true }).first().waitFor()
    assert.equal(await log.getByText('web/1', { exact: true }).count(), 0)
    await selector().selectOption('')
    await log.getByText('blog/editor/0', { exact: true }).first().waitFor()
    await log.getByText('shop/web/1', { exact: true }).first().waitFor()
    await visit('#/')
  })

  test('a service and a schedule of one project have their pages in the view of all', async () => {
    await rowOf('blog/web').getByRole('link', { name: 'blog/web', exact: true }).click()
    await page.getByRole('heading', { name: 'blog/web', exact: true }).waitFor()
    await page.getByRole('img', { name: /Memory.*blog\/web: now [\d.]+ MiB/ }).waitFor()
    await visit('#/services/shop%2Fchime')
    const runs = page.locator('section').filter({ has: page.getByRole('heading', { name: 'Runs' }) })
    await runs.getByRole('row').filter({ hasText: 'succeeded' }).first().waitFor()
    await page.getByRole('log', { name: 'Logs of shop/chime' }).getByText('dong').first().waitFor()
    assert.deepEqual(tab.complaints, [])
  })

  test('revisions are those of one project: the view of all asks for which', async () => {
    await visit('#/revisions')
    await page.getByRole('main').getByRole('link', { name: 'shop', exact: true }).click()
    await page.getByRole('row', { name: /^2 applied up/ }).waitFor()
    assert.equal(await selector().inputValue(), 'shop')
    await visit('#/revisions/2')
    await page.getByRole('heading', { name: 'Revision 2' }).waitFor()
    // Another project has other revisions: its list is what is shown of it.
    await selector().selectOption('blog')
    await page.getByRole('row', { name: /^1 applied up/ }).waitFor()
    assert.equal(await page.locator('table.revisions tbody tr').count(), 1)
    await selector().selectOption('')
    await page.getByText('Choose one:').waitFor()
    assert.deepEqual(tab.complaints, [])
  })

  test('every view has names for what can be used, texts that stand out in light and dark, and fits a phone', async () => {
    for (const colorScheme of ['light', 'dark'] as const) {
      const small = await openTab(browser, { viewport: { width: 360, height: 740 }, colorScheme })
      await small.page.goto(`http://127.0.0.1:${link.port}/#token=${link.token}`)
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

  test('a project that is removed while it is looked at is said to be gone, and the others can be reached', async () => {
    await selector().selectOption('blog')
    await visit('#/')
    await rowOf('editor').waitFor()
    assert.equal((await machine.run(['down', '--yes', '-p', 'blog'])).code, 0)
    const { code, stderr } = await machine.run(['project', 'rm', 'blog', '--yes'])
    assert.equal(code, 0, stderr)
    await page.getByRole('heading', { name: 'There is no such project' }).waitFor()
    await page.getByText('There is no project blog on this machine.').waitFor()
    await selector().selectOption('shop')
    await rowOf('chime').waitFor()
    // The only one that is left needs no choice.
    await selector().waitFor({ state: 'detached' })
    assert.deepEqual((await services()).toSorted(), ['chime', 'web'])

    // One that comes back is there without anything being done.
    await page.goBack()
    await page.getByRole('heading', { name: 'There is no such project' }).waitFor()
    await apply('blog', { editor: reporter() })
    await rowOf('editor').waitFor()
    await page.getByRole('log', { name: 'Events' }).getByText('editor/0', { exact: true }).first().waitFor()
  })
})

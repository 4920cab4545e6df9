/**
 * What the page weighs and how soon it is there: everything that a tab loads, counted as the browser counts it, and its first paint in a
 * fresh profile (nothing cached) before a daemon that keeps 50 services. First paint may be a word of waiting; so the time until the services
 * are drawn is told too, and what one tab that looks costs the daemon.
 */

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { brotliCompressSync } from 'node:zlib'
import type { Browser, Page } from 'playwright-core'
import type { PageAnswer } from '../src/protocol/api.ts'
import { noBrowser, openBrowser, openTab } from '../test/browser.ts'
import { Machine, packageUnderTest } from '../test/daemon-harness.ts'
import { compare, cpuSecondsOf, median, type Row } from './measure.ts'

const services = 50
const loads = 9
const windowSeconds = 20

export async function dashboard(): Promise<readonly Row[]> {
  if (noBrowser !== false) throw new Error(noBrowser)
  await using machine = new Machine()
  await machine.up(
    Object.fromEntries(Array.from({ length: services }, (_, index) => [`service-${index}`, { command: ['sleep', '1000000'] }])),
  )
  const { stdout } = await machine.run(['ui', '--json'])
  const { url } = JSON.parse(stdout) as PageAnswer
  const browser = await openBrowser()
  try {
    const painted: number[] = []
    const drawn: number[] = []
    for (let load = 0; load < loads; load += 1) {
      const times = await loadOnce(browser, url)
      painted.push(times.paintedMs)
      drawn.push(times.drawnMs)
    }
    const ours = (value: number): [{ who: string; value: number }] => [{ who: 'daruma', value }]
    return [
      ...compare('page, compressed as sent (gzip)', 'kB', 150, ours(await weigh(browser, url))),
      ...compare('page, compressed by brotli', 'kB', 150, ours(brotliKilobytes())),
      ...compare(`first paint, ${services} services`, 'ms', 1000, ours(median(painted))),
      ...compare(`${services} services drawn`, 'ms', 1000, ours(median(drawn))),
      ...compare('daemon, CPU while a tab looks', '%', null, ours(await costOfLooking(browser, url, machine))),
    ]
  } finally {
    await browser.close()
  }
}

async function loadOnce(browser: Browser, url: string): Promise<{ readonly paintedMs: number; readonly drawnMs: number }> {
  const { page, close } = await openTab(browser)
  try {
    await page.addInitScript((wanted) => {
      const look = (): void => {
        const isDrawn = document.querySelectorAll('tr.service').length >= wanted
        if (isDrawn) performance.mark('drawn')
        else requestAnimationFrame(look)
      }
      requestAnimationFrame(look)
    }, services)
    await page.goto(url)
    await page.waitForFunction(() => performance.getEntriesByName('drawn').length > 0)
    return await page.evaluate(() => ({
      paintedMs: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? Number.NaN,
      drawnMs: performance.getEntriesByName('drawn')[0]?.startTime ?? Number.NaN,
    }))
  } finally {
    await close()
  }
}

/** Every file of the page, the plots of a service included; the daemon's answers are not the page. */
async function weigh(browser: Browser, url: string): Promise<number> {
  const { page, close } = await openTab(browser)
  try {
    await page.goto(url)
    await visitService(page)
    const bytes = await page.evaluate(() => {
      const entries = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
      const files = (entries as PerformanceResourceTiming[]).filter(({ name }) => !new URL(name).pathname.startsWith('/v1/'))
      return files.reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0)
    })
    if (bytes < 10_000) throw new Error(`the browser counted only ${bytes} bytes`)
    return bytes / 1000
  } finally {
    await close()
  }
}

async function visitService(page: Page): Promise<void> {
  await page.getByRole('link', { name: 'service-0', exact: true }).click()
  await page.locator('canvas').first().waitFor()
}

function brotliKilobytes(): number {
  const folder = join(packageUnderTest, 'dist/dashboard')
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => /\.(?:html|js|css|svg)$/.test(name))
  return files.reduce((sum, name) => sum + brotliCompressSync(readFileSync(join(folder, name))).length, 0) / 1000
}

async function costOfLooking(browser: Browser, url: string, machine: Machine): Promise<number> {
  const { page, close } = await openTab(browser)
  try {
    await page.goto(url)
    await page.getByRole('link', { name: 'service-0', exact: true }).waitFor()
    await sleep(3000)
    const before = cpuSecondsOf(machine.find('daemon'))
    await sleep(windowSeconds * 1000)
    return ((cpuSecondsOf(machine.find('daemon')) - before) / windowSeconds) * 100
  } finally {
    await close()
  }
}

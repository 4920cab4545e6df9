/**
 * A real Chromium for tests of the page: Debian's, with nothing that calls home, in a profile of its own that goes with it. Everything that
 * the browser complains about (errors, breaches of the policy) is kept, so that a test can say that there was none.
 */

import { existsSync } from 'node:fs'
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'
import { hangLimit } from './hang-limit.ts'

const executablePath = '/usr/bin/chromium'
const quiet =
  '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync'

/** For `skip` of a test: why there is no browser, or false. */
export const noBrowser: string | false = existsSync(executablePath) ? false : `${executablePath} is not installed`

export const openBrowser = (): Promise<Browser> => chromium.launch({ executablePath, args: quiet.split(' ') })

export interface Watched {
  readonly page: Page
  /** What the browser complained about. */
  readonly complaints: string[]
  readonly close: () => Promise<void>
}

export async function openTab(browser: Browser, options: BrowserContextOptions = {}): Promise<Watched> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options })
  const page = await context.newPage()
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('console', (message) => {
    // A daemon that is away cannot be reached: the browser says so by itself, and no page can keep it from that.
    const isAbsence = /ERR_CONNECTION_REFUSED|ERR_CONNECTION_RESET|ERR_INCOMPLETE_CHUNKED|ERR_EMPTY_RESPONSE/.test(message.text())
    if (['error', 'warning'].includes(message.type()) && !isAbsence) complaints.push(`${message.type()}: ${message.text()}`)
  })
  await page.exposeFunction('reportBreach', (text: string) => complaints.push(`policy: ${text}`))
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) => {
      const scope = globalThis as unknown as { reportBreach(text: string): void }
      scope.reportBreach(`${violatedDirective} ${blockedURI}`)
    })
  })
  page.setDefaultTimeout(hangLimit(15_000))
  return { page, complaints, close: () => context.close() }
}

/** Texts whose colour stands out too little from what is behind them (WCAG 2.2, 1.4.3), each with its ratio. */
export function faintTexts(page: Page): Promise<readonly string[]> {
  return page.evaluate(() => {
    type Colour = readonly [number, number, number, number]
    const parse = (text: string): Colour => {
      const [red = 0, green = 0, blue = 0, alpha = 1] = (text.match(/[\d.]+/g) ?? []).map(Number)
      return [red, green, blue, alpha]
    }
    const luminance = ([red, green, blue]: Colour): number => {
      const [r = 0, g = 0, b = 0] = [red, green, blue].map((value) => {
        const part = value / 255
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4
      })
      return 0.2126 * r + 0.7152 * g + 0.0722 * b
    }
    const behind = (element: Element | null): Colour => {
      for (let at = element; at !== null; at = at.parentElement) {
        const colour = parse(getComputedStyle(at).backgroundColor)
        if (colour[3] > 0) return colour
      }
      return [255, 255, 255, 1]
    }
    const faint: string[] = []
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
    for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
      const element = node.parentElement
      if (element === null || (node.textContent ?? '').trim() === '' || element.getClientRects().length === 0) continue
      const style = getComputedStyle(element)
      const [light, dark] = [luminance(parse(style.color)), luminance(behind(element))].toSorted((a, b) => b - a)
      const ratio = ((light ?? 0) + 0.05) / ((dark ?? 0) + 0.05)
      if (ratio < 4.5) faint.push(`${ratio.toFixed(2)} "${node.textContent?.trim().slice(0, 40)}" ${style.color}`)
    }
    return faint
  })
}

/** Whatever can be used or is a picture, and has no name to call it by. */
export function namelessThings(page: Page): Promise<readonly string[]> {
  return page.evaluate(() => {
    const wanted = 'a, button, input, select, dialog, nav, [role=img], [role=log], [role=status] [tabindex], img:not([alt=""])'
    const nameOf = (element: Element): string => {
      const labelled = element.getAttribute('aria-labelledby')
      const label = element.closest('label') ?? (element.id === '' ? null : document.querySelector(`label[for="${element.id}"]`))
      return [
        element.getAttribute('aria-label'),
        labelled === null ? '' : document.getElementById(labelled)?.textContent,
        element.getAttribute('alt'),
        label?.textContent,
        element.textContent,
      ]
        .join('')
        .trim()
    }
    return [...document.querySelectorAll(wanted)]
      .filter((element) => nameOf(element) === '')
      .map((element) => element.outerHTML.slice(0, 120))
  })
}

// What makes the files ready to run: it renders the page, once for each release, in a copy of this folder. Bundlers and `npm ci` are alike.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'

const greeting = readFileSync('greeting.txt', 'utf8').trim()
mkdirSync('public', { recursive: true })
writeFileSync(
  'public/index.html',
  `<!doctype html>
<title>hello</title>
<h1>${greeting}</h1>
<p>Served by {slot}, epoch {epoch}.</p>
`,
)
console.log(`rendered public/index.html: "${greeting}"`)

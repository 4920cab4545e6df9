// The job: renders the page that the web copies serve. It ends, and the others begin.

import { mkdirSync, renameSync, writeFileSync } from 'node:fs'

const page = `<!doctype html>
<title>hello</title>
<h1>${process.env.GREETING}</h1>
<p>Served by {slot}, epoch {epoch}.</p>
`

// Written beside and renamed, so that nobody ever reads half a page.
mkdirSync('public', { recursive: true })
writeFileSync('public/index.html.new', page)
renameSync('public/index.html.new', 'public/index.html')
console.log(`rendered public/index.html: "${process.env.GREETING}"`)

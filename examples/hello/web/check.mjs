// The job: looks at what was built before anybody is shown it. If it fails, the revision fails, and what runs stays.

import { readFileSync } from 'node:fs'

const page = readFileSync('public/index.html', 'utf8')
if (!/<h1>[^<]+<\/h1>/.test(page)) throw new Error('the page greets nobody')
console.log('the page has its greeting')

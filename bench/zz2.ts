import { openBench } from './side-by-side.ts'
using bench = openBench()
const t = []
for (let i = 0; i < 4; i++) { const p = bench.daruma(); try { const last = bench.actions.next(50, 60000); const a = performance.now(); const s = p.start(50); t.push((await last) - a); await s } finally { await p.stop() } }
console.log(t.map((x) => x.toFixed(0)).join(' '))

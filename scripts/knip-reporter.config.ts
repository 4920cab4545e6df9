/** Knip prints no count of the files it looked at; this adds one line for `scripts/check.ts` to hold against the disk. */
import type { Reporter } from 'knip'

const report: Reporter = ({ counters }) => console.log(`knip looked at ${counters.processed} files`)
export default report

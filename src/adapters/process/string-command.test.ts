/** A command line in a string, stopped for real: what it runs hears the signal and may leave in order. */

import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { launchWords } from '../../core/model/shell-command.ts'
import { RuntimeBed, instance, needsRoot, until } from '../../../test/support/runtime-bed.ts'

for (const [form, around] of [
  ['one simple command', ['', '']],
  ['a longer line', ['echo begins; ', '; echo must not be reached']],
] as const) {
  test(`the stop signal reaches what a string runs: ${form}`, { skip: needsRoot }, async (t) => {
    const bed = await RuntimeBed.open(t)
    const program = bed.path('program.sh')
    writeFileSync(program, "trap 'echo has heard; exit 7' TERM\necho is up\nwhile :; do sleep 0.05; done\n")
    await bed.run(1, launchWords(['/bin/sh', '-c', `${around[0]}sh ${program}${around[1]}`], 'SIGTERM'))
    await until(() => bed.logText().includes('is up'), 'the program to be up')
    await bed.runtime.signal(instance(1), 'SIGTERM')
    await bed.event('gone', 1)
    assert.match(bed.logText(), /has heard/)
    assert.doesNotMatch(bed.logText(), /must not be reached/)
  })
}

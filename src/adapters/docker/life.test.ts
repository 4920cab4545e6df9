import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { describe, test } from 'node:test'

import { ContainerBed, instance } from '../../../test/engine/container-bed.ts'
import { onDocker } from '../../../test/engine/engine-kind.ts'
import { until } from '../../../test/processes.ts'
import { SecretFiles } from '../../host/secret-files.ts'
import { lifeContract } from './life.contract.ts'

describe('containers on docker', { skip: onDocker.skip }, () => lifeContract(onDocker, (title, body) => void test(title, body)))

test(
  'a container finds its secret in a file that cannot be changed, and on the host nobody else does',
  {
    skip: onDocker.skip,
  },
  async (t) => {
    const stateId = randomBytes(8).toString('hex')
    // This engine has a mount namespace of its own, and sees what was mounted before it began.
    await new SecretFiles(stateId, 'containers').prepare()
    const engine = await onDocker.start()
    t.after(() => engine[Symbol.asyncDispose]())
    const bed = await ContainerBed.open(t, engine, { stateId })
    const folder = `/run/daruma/${stateId}/.secrets/containers`
    for (const [epoch, user, mode] of [
      [1, null, '444'],
      [2, '1234', '400'],
    ] as const) {
      const show =
        'f=$DARUMA_SECRET_DB_PASSWORD; echo $f; stat -c %a $f; cat $f; echo; (echo x >$f) 2>/dev/null || echo kept; exec sleep 1000'
      await bed.run(epoch, ['sh', '-c', show], { secretFiles: { DB_PASSWORD: 'correct horse' }, runs: { user } })
      const shown = `/run/secrets/DB_PASSWORD\n${mode}\ncorrect horse\nkept\n`
      await until(`what it was given: ${bed.log()}`, 20_000, () => bed.log().endsWith(shown))
      assert.equal(existsSync(`${folder}/web.0.${epoch}/DB_PASSWORD`), true)
      await bed.runtime.kill(instance(epoch), 15_000)
      await bed.event('gone', epoch)
      assert.equal(existsSync(`${folder}/web.0.${epoch}`), false)
    }
  },
)

import assert from 'node:assert/strict'
import { defaultBalancer as balancer } from '../core/keys/balancer.ts'
import { test } from 'node:test'
import { aService } from '../sim/services.ts'
import { SeededRandom } from '../sim/random.ts'
import { createMemoryStore } from '../sim/store.ts'
import { SecretStore, digestsOf } from './secrets.ts'

const reference = { source: { from: 'environment', name: 'ANY' }, digest: null } as const

/** A store of secrets that knows `values` as the secrets of one service, and writes down nothing unless told to. */
async function knowing(values: Readonly<Record<string, string>>): Promise<SecretStore> {
  const secrets = new SecretStore(createMemoryStore(), new SeededRandom(1))
  await secrets.load()
  const references = Object.fromEntries(Object.keys(values).map((name) => [name, reference]))
  const { project } = secrets.seal(
    { name: 'shop', stage: null, balancer, notify: [], services: [aService('web', 'serve', { secrets: references })] },
    { web: values },
  )
  secrets.accept(project, { web: values })
  return secrets
}

test('a value that begins with another one is hidden whole', async () => {
  const secrets = await knowing({ SHORT: 'hunter2', LONG: 'hunter2-and-more' })
  assert.equal(secrets.redact('a hunter2-and-more b hunter2 c'), 'a [redacted] b [redacted] c')
})

test('a value of several lines is hidden in a log that comes line by line', async () => {
  const secrets = await knowing({ KEY: '-----BEGIN KEY-----\nMIIEvQIBADAN\nq8Zb\n-----END KEY-----\n' })
  assert.equal(secrets.redact('MIIEvQIBADAN'), '[redacted]')
  assert.equal(secrets.redact('key: -----END KEY-----'), 'key: [redacted]')
})

test('the beginning of a value is hidden where a text was cut within it', async () => {
  const secrets = await knowing({ PASSWORD: 'open sesame street' })
  assert.equal(secrets.redact('exit code 1 "denied: open sesa"'), 'exit code 1 "denied: [redacted]"')
  assert.equal(secrets.redact('denied: open s…'), 'denied: [redacted]…')
  assert.equal(secrets.redact('open sesame street, open sesame str'), '[redacted], [redacted]')
  assert.equal(secrets.redact('the door is open'), 'the door is open')
  assert.equal(secrets.redact('open doors, open windows'), 'open doors, open windows')
})

test('a value is hidden where it was quoted as JSON', async () => {
  const secrets = await knowing({ PASSWORD: 'a"b\\c\nd' })
  assert.equal(secrets.redact(`answered ${JSON.stringify('got a"b\\c\nd')}`), 'answered "got [redacted]"')
})

test('a value is known only once it is accepted, so that one that could not be written is written with the next try', async () => {
  const secrets = new SecretStore(createMemoryStore(), new SeededRandom(1))
  await secrets.load()
  const project = {
    name: 'shop',
    stage: null,
    balancer,
    notify: [],
    services: [aService('web', 'serve', { secrets: { TOKEN: reference } })],
  }
  const values = { web: { TOKEN: 'hunter2' } }
  const sealed = secrets.seal(project, values)
  assert.equal(sealed.writes.length, 1)
  assert.equal(secrets.seal(project, values).writes.length, 1)
  secrets.accept(sealed.project, values)
  assert.equal(secrets.seal(project, values).writes.length, 0)
  assert.deepEqual(secrets.forget(new Set(digestsOf(sealed.project))), [])
  assert.equal(secrets.forget(new Set()).length, 1)
  assert.equal(secrets.redact('hunter2'), 'hunter2')
})

/** What a revision would hold of a service with the secret, under the key that the seed makes. */
async function sealUnder(seed: number, value: string): Promise<{ readonly digest: string | null; readonly text: string }> {
  const secrets = new SecretStore(createMemoryStore(), new SeededRandom(seed))
  await secrets.load()
  const services = [aService('web', 'serve', { secrets: { TOKEN: reference } })]
  const { project } = secrets.seal({ name: 'shop', stage: null, balancer, notify: [], services }, { web: { TOKEN: value } })
  return { digest: project.services[0]?.secrets['TOKEN']?.digest ?? null, text: JSON.stringify(project) }
}

test('what is recorded of a project holds a digest of each secret and nothing of its value', async () => {
  const { digest, text } = await sealUnder(1, 'correct horse battery')
  assert.match(digest ?? '', /^[0-9a-f]{64}$/)
  assert.doesNotMatch(text, /horse/)
})

test('equal values have equal digests under one key, and without that key no guess can be compared with them', async () => {
  const [one, same, other] = [await sealUnder(1, 'hunter2'), await sealUnder(1, 'hunter2'), await sealUnder(2, 'hunter2')]
  assert.equal(one.digest, same.digest)
  assert.notEqual(one.digest, other.digest)
})

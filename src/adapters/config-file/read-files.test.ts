/** Files that a config names, each wrong in its own way; what a person reads is held word for word, with the line. */

import assert from 'node:assert/strict'
import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { selfSigned } from '../../system/self-signed.ts'
import { renderProblems } from '../../core/config/render-problems.ts'
import type { ImageSource, Project, Service } from '../../core/model/service.ts'
import { cronerCron } from '../croner/index.ts'
import { loadConfig, type LoadedConfig } from './index.ts'

const dayMs = 86_400_000

function folder(t: TestContext, files: Readonly<Record<string, string | Buffer>>): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'daruma-files-')))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true })
    writeFileSync(join(directory, name), content)
  }
  return directory
}

const load = (directory: string): ReturnType<typeof loadConfig> =>
  loadConfig({ file: null, stage: null, cwd: directory, loadCron: async () => cronerCron })

test('a certificate that ends soon is said once, however many routes have it', async (t) => {
  const soon = pairOf(['shop.example.com'], Date.now() - (3650 - 20) * dayMs)
  const late = pairOf(['shop.example.com'], Date.now() - (3650 - 23) * dayMs)
  const files = { 'soon.pem': soon.certificate, 'soon.key': soon.key, 'late.pem': late.certificate, 'late.key': late.key }
  const service = (name: string): string => routed('shop.example.com', `${name}.pem`, `${name}.key`)
  const warningsOf = async (services: Readonly<Record<string, string>>): Promise<readonly string[]> => {
    const directory = folder(t, { 'daruma.config.ts': configOf(services), ...files })
    const loaded = await load(directory)
    assert.ok(loaded.ok, JSON.stringify(loaded))
    return loaded.warnings.map((line) => line.replaceAll(`${directory}/`, ''))
  }
  const path = service('soon').replace('route: { domain', "route: { path: '/api', domain")
  assert.deepEqual(await warningsOf({ a: service('soon'), b: path }), [
    `the certificate soon.pem ends on ${new Date(Date.now() + 20 * dayMs).toISOString().slice(0, 10)}, and nothing here renews it`,
  ])
  assert.deepEqual(await warningsOf({ a: service('late') }), [])
})

async function projectIn(directory: string): Promise<Project> {
  const loaded = await load(directory)
  assert.ok(loaded.ok, JSON.stringify(loaded))
  return loaded.project
}

/** `line  path  message`, one a problem. */
async function refusalsIn(directory: string): Promise<readonly string[]> {
  const loaded = await load(directory)
  assert.ok(!loaded.ok, 'the config was accepted')
  assert.ok(renderProblems(loaded.problems).includes('daruma.config.ts:'))
  return loaded.problems.map(({ line, code, path, message }) =>
    `${line} ${code} ${path.slice(1).join('.')}: ${message}`.replaceAll(`${directory}/`, ''),
  )
}

const configOf = (services: Readonly<Record<string, string>>, more = ''): string =>
  [
    "import { define } from 'daruma'",
    `export default define({ name: 'shop',${more} services: {`,
    ...Object.entries(services).map(([name, service]) => `  ${name}: ${service},`),
    '} })',
    '',
  ].join('\n')

const routed = (domain: string, certificate: string, key: string): string =>
  `{ command: 'x', route: { domain: '${domain}', tls: { certificate: './${certificate}', key: './${key}' } } }`

/** The certificate and the key of `selfSigned` as two files. */
function pairOf(names: readonly string[], nowMs: number = Date.now()): { readonly certificate: string; readonly key: string } {
  const both = selfSigned(names, nowMs)
  const cut = both.indexOf('-----BEGIN PRIVATE KEY-----')
  return { certificate: both.slice(0, cut), key: both.slice(cut) }
}

test('a certificate that fits gives a digest, which changes with it', async (t) => {
  const pair = pairOf(['shop.example.com', '*.example.org'])
  const files = {
    'daruma.config.ts': configOf({
      a: routed('shop.example.com', 'a.pem', 'a.key'),
      b: routed('*.example.org', 'a.pem', 'a.key'),
      c: routed('x.example.org', 'a.pem', 'a.key'),
      d: "{ command: 'x', route: { port: 8443, tls: { certificate: './a.pem', key: './a.key' } } }",
    }),
    'a.pem': pair.certificate,
    'a.key': pair.key,
  }
  const digestsIn = async (directory: string): Promise<ReadonlySet<unknown>> =>
    new Set((await projectIn(directory)).services.map(({ routes: [route] }) => route?.tls.kind === 'files' && route.tls.digest))
  const [first, ...others] = await digestsIn(folder(t, files))
  assert.deepEqual([typeof first, others], ['string', []])
  const next = pairOf(['shop.example.com', '*.example.org'])
  const [second] = await digestsIn(folder(t, { ...files, 'a.pem': next.certificate, 'a.key': next.key }))
  assert.notEqual(second, first)
})

test('certificates that cannot be used are refused with their place', async (t) => {
  const good = pairOf(['shop.example.com'])
  const other = pairOf(['shop.example.com'])
  const old = pairOf(['shop.example.com'], Date.now() - 11 * 365 * dayMs)
  const young = pairOf(['shop.example.com'], Date.now() + 10 * dayMs)
  const locked = createPrivateKey(good.key).export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })
  const directory = folder(t, {
    'daruma.config.ts': configOf({
      a: routed('a.example.com', 'good.pem', 'good.key'),
      b: routed('shop.example.com', 'good.pem', 'other.key'),
      c: routed('c.example.com', 'old.pem', 'old.key'),
      d: routed('d.example.com', 'young.pem', 'young.key'),
      e: routed('e.example.com', 'none.pem', 'good.key'),
      f: routed('f.example.com', 'good.pem', 'none.key'),
      g: routed('g.example.com', 'good.key', 'good.pem'),
      h: routed('h.example.com', 'good.pem', 'good.pem'),
      i: routed('i.example.com', 'torn.pem', 'good.key'),
      j: routed('j.example.com', 'good.pem', 'locked.key'),
      k: routed('k.example.com', 'folder', 'good.key'),
      l: routed('l.example.com', 'text.pem', 'good.key'),
      m: routed('m.example.com', 'turned.pem', 'good.key'),
      n: `{ command: 'x', route: ['n.example.com', { domain: 'n2.example.com', tls: { certificate: './good.pem', key: './good.key' } }] }`,
      o: routed('*.shop.example.com', 'good.pem', 'good.key'),
    }),
    'good.pem': good.certificate,
    'good.key': good.key,
    'other.key': other.key,
    'old.pem': old.certificate,
    'old.key': old.key,
    'young.pem': young.certificate,
    'young.key': young.key,
    'torn.pem': good.certificate.replace(/\n.{20}/, '\n'),
    'locked.key': locked,
    'folder/x': '',
    'text.pem': 'a certificate',
    'turned.pem': other.certificate + good.certificate,
  })
  const ends = (ms: number): string => new Date(ms).toISOString().slice(0, 10)
  assert.deepEqual(
    (await refusalsIn(directory)).map((line) => line.replace(/before .*Z$/, 'before …')),
    [
      '3 E_CERTIFICATE_DOMAIN a.route.tls.certificate: the certificate good.pem is for shop.example.com, and not for a.example.com',
      '4 E_CERTIFICATE_KEY b.route.tls.key: the key other.key does not belong to the certificate good.pem',
      `5 E_CERTIFICATE_EXPIRED c.route.tls.certificate: the certificate old.pem expired on ${ends(Date.now() - (11 * 365 - 3650) * dayMs)}`,
      '6 E_CERTIFICATE_NOT_YET d.route.tls.certificate: the certificate young.pem is not valid before …',
      '7 E_CERTIFICATE_MISSING e.route.tls.certificate: the certificate none.pem does not exist',
      '8 E_CERTIFICATE_MISSING f.route.tls.key: the key none.key does not exist',
      '9 E_CERTIFICATE_FORMAT g.route.tls.certificate: good.key holds a key and no certificate',
      '10 E_CERTIFICATE_FORMAT h.route.tls.key: good.pem holds a certificate and no key',
      '11 E_CERTIFICATE_FORMAT i.route.tls.certificate: the certificate in torn.pem cannot be read: it is damaged',
      '12 E_CERTIFICATE_FORMAT j.route.tls.key: the key locked.key has a passphrase, and there is no one to type it',
      '13 E_CERTIFICATE_UNREADABLE k.route.tls.certificate: the certificate folder is no file',
      '14 E_CERTIFICATE_FORMAT l.route.tls.certificate: text.pem is no PEM file with a certificate',
      '15 E_CERTIFICATE_KEY m.route.tls.key: the key good.key does not belong to the certificate turned.pem',
      '16 E_CERTIFICATE_DOMAIN n.route.1.tls.certificate: the certificate good.pem is for shop.example.com, and not for n2.example.com',
      '17 E_CERTIFICATE_DOMAIN o.route.tls.certificate: the certificate good.pem is for shop.example.com, and not for *.shop.example.com',
    ],
  )
})

test('who only wants to know the project has its files left alone', async (t) => {
  const directory = folder(t, { 'daruma.config.ts': configOf({ a: "{ image: { archive: './none.tar' } }" }) })
  const loaded = await loadConfig({ file: null, stage: null, cwd: directory, loadCron: null, files: 'leave' })
  assert.ok(loaded.ok)
  assert.deepEqual(imageOf(loaded.project.services[0]!), {
    from: 'archive',
    path: join(directory, 'none.tar'),
    digest: null,
  })
})

test('the authority of an ACME server is looked at before it is needed', async (t) => {
  const acme = " balancer: { acme: { caFile: './ca.pem' } },"
  const services = { a: "{ command: 'x', route: 'a.example.com' }" }
  const { certificate } = pairOf(['ca'])
  const good = folder(t, { 'daruma.config.ts': configOf(services, acme), 'ca.pem': certificate })
  assert.equal((await projectIn(good)).balancer.acme?.caFile, join(good, 'ca.pem'))
  const bad = folder(t, { 'daruma.config.ts': configOf(services, acme), 'ca.pem': 'x' })
  assert.deepEqual(await refusalsIn(bad), ['2 E_CERTIFICATE_FORMAT acme.caFile: ca.pem is no PEM file with a certificate'])
})

/** A tar file of small members (POSIX.1-2017, pax, "ustar Interchange Format"). */
function tarOf(members: Readonly<Record<string, string>>): Buffer {
  const blocks = Object.entries(members).flatMap(([name, text]) => {
    const content = Buffer.from(text)
    const header = Buffer.alloc(512)
    header.write(name, 0)
    header.write('0000644\0', 100)
    header.write(content.length.toString(8).padStart(11, '0'), 124)
    header.write('        ', 148)
    header.write('0', 156)
    header.write('ustar\u000000', 257)
    const sum = header.reduce((total, byte) => total + byte, 0)
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
    return [header, content, Buffer.alloc((512 - (content.length % 512)) % 512)]
  })
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}

const manifest = (images: number): string => JSON.stringify(Array.from({ length: images }, () => ({ Config: 'c', Layers: [] })))

test('archives in both formats, plain and packed, give the digest of their bytes', async (t) => {
  const docker = tarOf({ 'blobs/x': 'y'.repeat(3000), 'manifest.json': manifest(1) })
  const oci = tarOf({ './oci-layout': '{}', './index.json': '{}' })
  const names = ['docker.tar', 'oci.tar', 'docker.tar.gz', 'oci.tar.zst']
  const directory = folder(t, {
    'daruma.config.ts': configOf(
      Object.fromEntries(names.map((name, index) => [`s${index}`, `{ image: { archive: './${name}' } }`])),
    ),
    'docker.tar': docker,
    'oci.tar': oci,
    'docker.tar.gz': gzipSync(docker),
    'oci.tar.zst': zstdCompressSync(oci),
  })
  const digestsOf = async (): Promise<readonly unknown[]> => (await projectIn(directory)).services.map(digestOf)
  const first = await digestsOf()
  assert.equal(new Set(first).size, 4)
  assert.ok(first.every((digest) => /^[0-9a-f]{64}$/.test(String(digest))))
  assert.deepEqual(await digestsOf(), first)
  // What comes after the end of the tar is not looked into, but counts.
  writeFileSync(join(directory, 'oci.tar'), Buffer.concat([oci, Buffer.from('more')]))
  const second = await digestsOf()
  assert.deepEqual(
    second.map((digest, index) => digest === first[index]),
    [true, false, true, true],
  )
})

test('archives and folders that hold no image are refused with their place', async (t) => {
  const docker = tarOf({ 'blobs/x': 'y'.repeat(3000), 'manifest.json': manifest(1) })
  const damaged = Buffer.from(docker)
  damaged.write('zzz', 3600)
  const directory = folder(t, {
    'daruma.config.ts': configOf({
      a: "{ image: { archive: './none.tar' } }",
      b: "{ image: { archive: './folder' } }",
      c: "{ image: { archive: './text.tar' } }",
      d: "{ image: { archive: './empty.tar' } }",
      e: "{ image: { archive: './other.tar' } }",
      f: "{ image: { archive: './two.tar' } }",
      g: "{ image: { archive: './torn.tar' } }",
      h: "{ image: { archive: './torn.tar.gz' } }",
      i: "{ image: { archive: './damaged.tar' } }",
      j: "{ image: { build: './none' } }",
      k: "{ image: { build: './folder' } }",
      l: "{ image: { build: './text.tar' } }",
      m: "{ image: { build: './huge' } }",
    }),
    'folder/x': '',
    'text.tar': 'x'.repeat(2000),
    'empty.tar': '',
    'other.tar': tarOf({ 'package.json': '{}' }),
    'two.tar': tarOf({ 'manifest.json': manifest(2) }),
    'torn.tar': docker.subarray(0, 2000),
    'torn.tar.gz': gzipSync(docker).subarray(0, 60),
    'damaged.tar': damaged,
    'huge/Dockerfile': '',
    'huge/file': '',
  })
  truncateSync(join(directory, 'huge/file'), 21 * 1024 ** 3)
  assert.deepEqual(await refusalsIn(directory), [
    '3 E_IMAGE_ARCHIVE a.image.archive: the image archive none.tar does not exist',
    '4 E_IMAGE_ARCHIVE b.image.archive: the image archive folder is no file',
    '5 E_IMAGE_ARCHIVE c.image.archive: the image archive text.tar is no tar file',
    '6 E_IMAGE_ARCHIVE d.image.archive: the image archive empty.tar is empty',
    '7 E_IMAGE_ARCHIVE e.image.archive: the image archive other.tar is a tar file, but no image: it has neither manifest.json nor oci-layout in it',
    '8 E_IMAGE_ARCHIVE f.image.archive: the image archive two.tar holds 2 images, and one is wanted',
    '9 E_IMAGE_ARCHIVE g.image.archive: the image archive torn.tar ends early: it was not copied whole',
    '10 E_IMAGE_ARCHIVE h.image.archive: the image archive torn.tar.gz cannot be unpacked: it is damaged or ends early',
    '11 E_IMAGE_ARCHIVE i.image.archive: the image archive damaged.tar is damaged',
    '12 E_IMAGE_BUILD j.image.build: the folder none does not exist',
    '13 E_IMAGE_BUILD k.image.build: the folder folder has no Dockerfile, by which the image would be built',
    '14 E_IMAGE_BUILD l.image.build: the folder text.tar is no folder',
    '15 E_IMAGE_BUILD m.image.build: the folder huge has more than 20 GiB',
  ])
})

test('a folder that is built gives its digest, the same wherever it stands', async (t) => {
  const files = {
    'daruma.config.ts': configOf({ a: "{ image: { build: '.', file: 'web.Dockerfile' } }", b: "{ image: 'redis:7' }" }),
    'web.Dockerfile': 'FROM scratch',
    '.dockerignore': 'daruma.config.ts\nnode_modules',
  }
  const digestIn = async (directory: string): Promise<unknown> => (await projectIn(directory)).services.map(imageOf)
  const [one, two] = [folder(t, files), folder(t, { ...files, 'node_modules/x': '' })]
  const shown = JSON.stringify(await digestIn(one))
  assert.match(shown, /"digest":"[0-9a-f]{64}"/)
  assert.equal(JSON.stringify(await digestIn(two)).replaceAll(two, one), shown)
  assert.notEqual(JSON.stringify(await digestIn(folder(t, { ...files, more: '' }))).replaceAll(two, one), shown)
})

test('expressions and time zones are judged by the real calendar', async (t) => {
  const directory = folder(t, {
    'daruma.config.ts': configOf({
      a: "{ command: 'x', schedule: '0 0 30 2 *' }",
      b: "{ command: 'x', schedule: '0 0 29 2 *' }",
      c: "{ command: 'x', schedule: '99 3 * * *' }",
      d: "{ command: 'x', schedule: '0 3 * * *', timezone: 'Asia/Tokio' }",
      e: "{ command: 'x', schedule: { cron: '0 3 * * *', timezone: 'Asia/Calcutta' } }",
      f: "{ command: 'x', schedule: '30 2 * * *', timezone: 'Europe/Berlin' }",
      g: "{ command: 'x', schedule: '@daily', timezone: 'Mars/Olympus' }",
      h: "{ command: 'x', schedule: '0 0 31 4,6,9,11 *' }",
    }),
  })
  assert.deepEqual(await refusalsIn(directory), [
    '3 E_CONFIG_CRON a.schedule: "0 0 30 2 *" never fires: no such date comes within ten years',
    '5 E_CONFIG_CRON c.schedule: "99 3 * * *" is no cron expression: Invalid value for minute: 99',
    "6 E_CONFIG_TIMEZONE d.timezone: there is no time zone 'Asia/Tokio'",
    "9 E_CONFIG_TIMEZONE g.timezone: there is no time zone 'Mars/Olympus'",
    '10 E_CONFIG_CRON h.schedule: "0 0 31 4,6,9,11 *" never fires: no such date comes within ten years',
  ])
})

test('a key of another kind than the certificate is no match either', async (t) => {
  const good = pairOf(['shop.example.com'])
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs1', format: 'pem' })
  const directory = folder(t, {
    'daruma.config.ts': configOf({ a: routed('shop.example.com', 'a.pem', 'a.key') }),
    'a.pem': good.certificate,
    'a.key': rsa,
  })
  assert.deepEqual(await refusalsIn(directory), [
    '3 E_CERTIFICATE_KEY a.route.tls.key: the key a.key does not belong to the certificate a.pem',
  ])
})

function imageOf({ runs }: Service): ImageSource | null {
  return runs.kind === 'container' ? runs.image : null
}

function digestOf(service: Service): string | null {
  const image = imageOf(service)
  return image?.from === 'archive' ? image.digest : null
}

test('envFile gives variables under what the config says itself; what cannot be used is said', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'daruma-env-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  writeFileSync(
    join(directory, '.env'),
    '# a comment\nLEVEL=info\nexport NAME="two words"\nPORT=3000\nDARUMA_EPOCH=1\nTOKEN=x\nMODE=file\n',
  )
  writeFileSync(join(directory, 'local.env'), "LEVEL='debug'\n")
  const config = (envFile: string): string =>
    `export default { name: 'shop', services: { web: { command: 'true', envFile: ${envFile}, environment: { MODE: 'config' }, secrets: ['TOKEN'] } } }`
  const load = async (envFile: string): Promise<LoadedConfig> => {
    writeFileSync(join(directory, 'daruma.config.ts'), config(envFile))
    return loadConfig({ file: null, stage: null, cwd: directory, loadCron: null })
  }
  const loaded = await load("['.env', './local.env']")
  assert.ok(loaded.ok, JSON.stringify(loaded))
  const [web] = loaded.project.services
  assert.deepEqual(web?.environment, { LEVEL: 'debug', NAME: 'two words', MODE: 'config' })
  assert.deepEqual(web.envFile, ['.env', './local.env'])
  assert.deepEqual(loaded.warnings.toSorted(), [
    "web: DARUMA_EPOCH of .env is not used: these names are Daruma's own",
    'web: PORT of .env is not used: PORT is given by Daruma (port: 3000 chooses it)',
    'web: TOKEN of .env is not used: it is in secrets',
  ])
  const missing = await load("'.evn'")
  assert.ok(!missing.ok)
  assert.deepEqual(
    missing.problems.map(({ code, path, message, line }) => [code, path.join('.'), message.replace(directory, ''), line]),
    [['E_CONFIG_ENV_FILE', 'services.web.envFile', '.evn does not exist (/.evn)', 1]],
  )
})

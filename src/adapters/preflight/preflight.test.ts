import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'

import { projectOf } from '../../../test/support/config-bed.ts'
import { preflight } from './index.ts'

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'daruma-preflight-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** As `service: message`, in the order of the services' names. */
async function look(
  services: Readonly<Record<string, unknown>>,
  options: {
    readonly directory: string
    readonly ownPids?: readonly number[]
    readonly balancer?: unknown
    readonly daemonPid?: number
  },
): Promise<readonly string[]> {
  const { directory, ownPids = [], balancer, daemonPid = null } = options
  const project = projectOf({ services, ...(balancer === undefined ? {} : { balancer }) }, { directory })
  const found = await preflight({ services: project.services, project, nodeDirectory: '/opt/node', ownPids, daemonPid })
  return found.map(({ service, message }) => `${service}: ${message.replaceAll(`${directory}/`, '')}`)
}

test('four services that are broken in four ways are all named, each with what is wrong', async (t) => {
  const directory = folder(t)
  const server = createServer().listen(0, '127.0.0.1')
  t.after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  assert.deepEqual(
    await look(
      {
        a: { command: './run', directory: './nowhere' },
        b: { command: 'true', user: 'nobdy' },
        c: { command: ['./missing', '--fast'] },
        d: { command: 'true', port },
      },
      { directory },
    ),
    [
      'a: the directory nowhere does not exist',
      'b: there is no user nobdy (did you mean nobody?)',
      'c: the program ./missing (missing) does not exist',
      `d: port ${port} is held by node (pid ${process.pid})`,
    ],
  )
})

test('a program is looked for along the PATH that the service gets, and in its folder', async (t) => {
  const directory = folder(t)
  for (const name of ['bin/tool', 'plain', 'dos.sh', 'lost.sh', 'fine.sh']) {
    mkdirSync(join(directory, 'bin'), { recursive: true })
    writeFileSync(
      join(directory, name),
      name === 'dos.sh' ? '#!/bin/sh\r\n' : name === 'lost.sh' ? '#!/opt/nope -x\n' : '#!/bin/sh\n',
    )
    if (name !== 'plain') chmodSync(join(directory, name), 0o755)
  }
  assert.deepEqual(
    await look(
      {
        a: { command: 'tool' },
        b: { command: 'tool', environment: { PATH: `/nowhere:${directory}/bin` } },
        c: { command: './plain' },
        d: { command: './dos.sh' },
        e: { command: './lost.sh' },
        f: { command: './fine.sh --now' },
        g: { command: ['sh', '-c', 'exec ./missing'] },
        // What only a shell can tell is left to it.
        h: { command: 'cd /nowhere && ./missing' },
        i: { command: 'X=1 ./missing' },
        j: { command: './fine.sh', directory: './plain' },
        k: { command: './fine.sh | ./missing | tool' },
        l: { command: 'cd bin && ./tool | lost-tool' },
        m: { command: './missing || ./fine.sh' },
      },
      { directory },
    ),
    [
      'a: the program tool is not in its PATH (/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/node)',
      'c: the program ./plain (plain) is not executable: chmod +x plain',
      'd: the first line of ./dos.sh (dos.sh) ends as in DOS (CR LF), so that /bin/sh is not found',
      'e: ./lost.sh (lost.sh) is a script for /opt/nope, which does not exist',
      'i: the program ./missing (missing) does not exist',
      'j: the directory plain is not one, but a file',
      'k: the program ./missing (missing) does not exist',
      'k: the program tool is not in its PATH (/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/node)',
      'l: the program lost-tool is not in its PATH (/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/node)',
    ],
  )
})

test(
  'what stands in a volume is not looked for outside',
  { skip: process.geteuid?.() === 0 ? false : 'needs root' },
  async (t) => {
    const volumes = { '/data/app': 'app' }
    const services = {
      a: { command: '/data/app/run', volumes },
      b: { command: './run', directory: '/data/app/b', volumes },
      c: { command: '/data/apple', volumes },
    }
    assert.deepEqual(await look(services, { directory: folder(t) }), ['c: the program /data/apple does not exist'])
  },
)

test('a port that an instance of ours holds, or a child of one, is no obstacle; another address is none either', async (t) => {
  const directory = folder(t)
  const listen = `require('net').createServer().listen(0, '127.0.0.2', function () { console.log(this.address().port) })`
  const shell = spawn('sh', ['-c', `${process.execPath} -e "${listen}"; true`], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  })
  t.after(() => process.kill(-shell.pid!, 'SIGKILL'))
  const [said] = (await once(shell.stdout, 'data')) as [Buffer]
  const port = Number(said.toString())
  const route = { web: { command: 'true', port: 'auto', route: { port } } }
  const [fault] = await look(route, { directory, balancer: { address: '127.0.0.2' } })
  assert.match(fault ?? '', new RegExp(`^web: port ${port} \\(of its route\\) is held by node \\(pid \\d+\\)$`))
  assert.deepEqual(await look(route, { directory, balancer: { address: '127.0.0.2' }, ownPids: [shell.pid!] }), [])
  assert.deepEqual(await look(route, { directory, balancer: { address: '127.0.0.3' } }), [])
  assert.deepEqual((await look(route, { directory })).length, 1, 'all addresses include that one')
  // A program mostly listens on loopback or on all of them.
  assert.deepEqual(await look({ web: { command: 'true', port } }, { directory }), [])
})

test('what stands in a release is not looked for on this host; what stands in its PATH is', async (t) => {
  const directory = folder(t)
  mkdirSync(join(directory, 'web'))
  const source = './web'
  assert.deepEqual(
    await look(
      {
        a: { source, command: './run' },
        b: { source, directory: 'server', command: ['./run'] },
        c: { source, command: ['sh', 'x'] },
        d: { source, command: ['no-such-program'] },
      },
      { directory },
    ),
    [
      'd: the program no-such-program is not in its PATH (/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/node)',
    ],
  )
})

test("a running daemon's limits decide what its services can get, whatever the command's own are", async (t) => {
  const directory = folder(t)
  const withoutRight = process.geteuid?.() === 0 ? 'setpriv --bounding-set -sys_resource' : 'env'
  const script = `exec ${withoutRight} sh -c 'ulimit -n 500 && echo lowered && exec sleep 1000'`
  const daemon = spawn('sh', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => daemon.kill('SIGKILL'))
  await once(daemon.stdout, 'data')
  const web = { web: { command: 'true', ulimits: { nofile: 501 } } }
  assert.deepEqual(await look(web, { directory, daemonPid: daemon.pid! }), [
    "web: the limit nofile cannot be 501: the daemon's own is 500, and only root (CAP_SYS_RESOURCE) raises it",
  ])
  assert.deepEqual(await look(web, { directory }), [])
})

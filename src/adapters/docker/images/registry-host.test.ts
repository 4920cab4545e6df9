import assert from 'node:assert/strict'
import { test } from 'node:test'

import { registryOf, registryOfBuild } from './registry-host.ts'

const dockerHub = 'https://index.docker.io/v1/'

test('a name without a host is of Docker’s own registry', () => {
  for (const name of ['postgres', 'library/postgres', 'someone/app:1']) assert.equal(registryOf(name), dockerHub, name)
  for (const host of ['ghcr.io', 'localhost', 'localhost:5000', 'registry:5000']) assert.equal(registryOf(`${host}/app:1`), host)
})

test('the credentials of a build are for the registry that its FROM names, and for nobody else', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['FROM node:24\nRUN true', dockerHub],
    [
      '# FROM evil.test/a\nARG BASE=x\nFROM  --platform=linux/amd64 ghcr.io/us/base:3 AS build\nFROM scratch\nCOPY --from=build /a /a',
      'ghcr.io',
    ],
    ['from registry.test:5000/base\n', 'registry.test:5000'],
    ['FROM node:24 AS build\nFROM registry.test/run', 'registry.test'],
    ['FROM $REGISTRY/base', dockerHub],
    ['', dockerHub],
  ]
  for (const [dockerfile, host] of cases) assert.equal(registryOfBuild(dockerfile), host, dockerfile)
})

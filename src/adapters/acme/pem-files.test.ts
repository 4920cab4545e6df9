import assert from 'node:assert/strict'
import { test } from 'node:test'
import { selfSigned } from '../../system/self-signed.ts'
import { inspectPem } from './pem-files.ts'

test('a certificate is for the names in it that are host names, and for nothing that would mean more in a file of names', () => {
  const names = ['Shop.test', '*.shop.test', 'a.test [ca-file /x]', 'b.test\n/etc/shadow c.test', 'd.test, DNS:e.test', '!f.test']
  assert.deepEqual(inspectPem('/shop.pem', selfSigned(names, Date.now())).certificate.names, ['shop.test', '*.shop.test'])
})

test('what is no certificate with its key is refused with the reason', () => {
  const [first, second] = [selfSigned(['a.test'], Date.now()), selfSigned(['a.test'], Date.now())]
  const [chain = ''] = first.split('-----BEGIN PRIVATE KEY')
  const [, key = ''] = second.split('-----BEGIN PRIVATE KEY')
  assert.throws(() => inspectPem('/a.pem', `${chain}-----BEGIN PRIVATE KEY${key}`), /belongs to another certificate/)
  assert.throws(() => inspectPem('/a.pem', 'nothing'))
})

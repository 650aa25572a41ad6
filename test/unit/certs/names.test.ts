/** Names of a certificate's owner, as OpenSSL writes them and as our own authority does. */

import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { issueClientCertificate, listClientCertificates, revokeClientCertificates } from '../../../certs/client.ts'
import { ownerNames } from '../../../certs/names.ts'
import { ClientCertificates } from '../../../server/auth/certificates.ts'
import { needTool } from '../../support/tools.ts'

let dir = ''
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'sacm-names-'))
})
afterAll(() => rmSync(dir, { recursive: true }))

const read = (pem: string) => new X509Certificate(pem)

function selfSigned(subject: string, alternative: string | undefined): X509Certificate {
  const file = join(dir, 'cert.pem')
  const extension = alternative === undefined ? [] : ['-addext', `subjectAltName=${alternative}`]
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', join(dir, 'key.pem')]
  execFileSync('openssl', ['req', '-x509', '-utf8', '-subj', subject, '-out', file, ...key, ...extension], {
    stdio: 'ignore',
  })
  return read(readFileSync(file, 'utf8'))
}

test('by OpenSSL: several kinds, several of a kind, other than ASCII, among others', (context) => {
  needTool(context, ['openssl', 'version'], 'apt-get install openssl')
  const all = selfSigned(
    '/O=Lab/CN=jürgen',
    'DNS:host.test,otherName:1.3.6.1.5.5.7.8.5;UTF8:i@test,email:j@test,otherName:1.2.3.4;UTF8:no@test,email:k@test,otherName:1.3.6.1.5.5.7.8.5;UTF8:k@test,otherName:1.3.6.1.5.5.7.8.7;IA5:_xmpp-client.web1.test',
  )
  expect(ownerNames(all.raw)).toEqual({
    xmpp: ['i@test', 'k@test'],
    emails: ['j@test', 'k@test'],
    srv: ['_xmpp-client.web1.test'],
    commonNames: ['jürgen'],
  })
  expect(ownerNames(selfSigned('/O=Lab', undefined).raw)).toEqual({ srv: [], xmpp: [], emails: [], commonNames: [] })
})

test('a mapping to e-mail addresses takes those of the domain, and the first mapping that fits decides', (context) => {
  needTool(context, ['openssl', 'version'], 'apt-get install openssl')
  const certificate = selfSigned('/CN=other', 'email:j@test,email:k@elsewhere')
  const identities = (mappings: readonly ('xmppAddr' | 'email' | 'commonName')[]) =>
    new ClientCertificates({ dir, domain: 'test', mappings }).identitiesOf(certificate).map(({ bare }) => bare)
  expect(identities(['xmppAddr'])).toEqual([])
  expect(identities(['xmppAddr', 'email', 'commonName'])).toEqual(['j@test'])
  expect(identities(['commonName', 'email'])).toEqual(['other@test'])
})

test('by our own authority; listed, revoked by number and by account, also when a crash cut a line off', () => {
  const first = issueClientCertificate(dir, 'ä@test')
  expect(ownerNames(read(first.cert).raw)).toEqual({ srv: [], xmpp: ['ä@test'], emails: [], commonNames: ['ä@test'] })
  const [second, third] = [issueClientCertificate(dir, 'b@test'), issueClientCertificate(dir, 'b@test')]
  const states = () => listClientCertificates(dir).map(({ serial, revokedAt }) => [serial, revokedAt !== undefined])
  expect(revokeClientCertificates(dir, first.serial.toLowerCase()).map(({ jid }) => jid)).toEqual(['ä@test'])
  expect(states()).toEqual([
    [first.serial, true],
    [second.serial, false],
    [third.serial, false],
  ])
  appendFileSync(join(dir, 'revoked.jsonl'), '{"serial":"12')
  expect(revokeClientCertificates(dir, 'b@test')).toHaveLength(2)
  expect(states().every(([, isRevoked]) => isRevoked)).toBe(true)
  expect(revokeClientCertificates(dir, 'b@test')).toEqual([])
})

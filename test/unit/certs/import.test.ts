/** Importing an operator's certificate: what is refused, with which words, and that nothing changes then. */

import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Ca, ensureCa } from '../../../certs/ca.ts'
import { signCertificate } from '../../../certs/certificate.ts'
import { CertificateError } from '../../../certs/errors.ts'
import { importServerCertificate, removeImportedCertificate } from '../../../certs/import.ts'
import { ensureServerCertificate, importedFile } from '../../../certs/issue.ts'
import { splitPem } from '../../../certs/pem.ts'

const DAY_MS = 24 * 60 * 60 * 1000
const DOMAIN = 'example.org'

let dir = ''
/** Somebody else's authority. */
let company: Ca
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'import-'))
  company = ensureCa(join(dir, 'company'))
})
afterEach(() => {
  rmSync(dir, { recursive: true })
})

interface Order {
  readonly names?: readonly string[]
  readonly from?: number
  readonly to?: number
  readonly key?: { readonly publicKey: KeyObject; readonly privateKey: KeyObject }
}

/** A certificate as the company would issue it; times in days from now. */
function order({ names = [DOMAIN], from = -1, to = 90, key }: Order = {}): { cert: string; key: string } {
  const { publicKey, privateKey } = key ?? generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const at = (days: number) => new Date(Date.now() + days * DAY_MS)
  const request = { commonName: names[0] ?? '', publicKey, notBefore: at(from), notAfter: at(to) }
  const use = { kind: 'server', names: { dns: names, ips: [], xmpp: [], srv: [] } } as const
  return {
    cert: signCertificate({ ...request, use }, company),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

function refusal(cert: string, key: string, domain = DOMAIN): CertificateError {
  try {
    importServerCertificate(dir, cert, key, domain)
  } catch (error) {
    if (!(error instanceof CertificateError)) throw error
    expect(existsSync(importedFile(dir))).toBe(false)
    expect(error.remedy).not.toBe('')
    return error
  }
  throw new Error('it was accepted')
}

test('a good one is served from then on, until it is removed', () => {
  const { cert, key } = order()
  const imported = importServerCertificate(dir, `${cert}${company.certPem}`, key, DOMAIN)
  expect(imported).toMatchObject({ subject: `CN=${DOMAIN}`, names: `DNS:${DOMAIN}`, warnings: [] })
  expect(statSync(importedFile(dir)).mode & 0o777).toBe(0o600)
  const served = ensureServerCertificate(dir, DOMAIN)
  expect(served).toMatchObject({ source: 'imported', isNew: false, warnings: [] })
  expect(served.cert).toBe(`${cert}${company.certPem}`)
  expect(served.key).toBe(key)
  removeImportedCertificate(dir)
  expect(ensureServerCertificate(dir, DOMAIN).source).toBe('issued')
})

test('a wildcard covers its domain', () => {
  const { cert, key } = order({ names: ['*.example.org'] })
  expect(importServerCertificate(dir, cert, key, 'chat.example.org').names).toBe('DNS:*.example.org')
})

test('one without its issuer is taken with a warning', () => {
  const { cert, key } = order()
  expect(importServerCertificate(dir, cert, key, DOMAIN).warnings).toEqual([
    expect.stringMatching(/nobody is known who issued CN=example.org \(CN=sacm CA/),
  ])
})

test('one that ends soon is taken with a warning', () => {
  const { cert, key } = order({ to: 10 })
  expect(importServerCertificate(dir, cert + company.certPem, key, DOMAIN).warnings).toEqual([
    expect.stringMatching(/ends on .*: have it renewed/),
  ])
})

test('what does not fit the domain is served as it is after a change of domain, with a warning', () => {
  const { cert, key } = order()
  importServerCertificate(dir, cert + company.certPem, key, DOMAIN)
  const served = ensureServerCertificate(dir, 'example.net')
  expect(served.source).toBe('imported')
  expect(served.warnings).toEqual([expect.stringMatching(/does not name example.net; it names DNS:example.org/)])
})

test.each([
  ['no certificate', () => ({ ...order(), cert: 'hello' }), /holds no certificate/],
  [
    'a damaged certificate',
    () => ({ ...order(), cert: order().cert.replace('MII', 'AAA').replace('MI', 'AA') }),
    /certificate 1 .*cannot be read/,
  ],
  ['no key', () => ({ ...order(), key: 'hello' }), /key cannot be read/],
  ['the key of another', () => ({ ...order(), key: order().key }), /key does not belong/],
  [
    'the chain upside down',
    () => {
      const { cert, key } = order()
      return { cert: company.certPem + cert, key }
    },
    /key does not belong/,
  ],
  [
    'a chain that is none',
    () => {
      const { cert, key } = order()
      return { cert: cert + ensureCa(join(dir, 'other')).certPem, key }
    },
    /certificate 2 .* did not issue certificate 1/,
  ],
  ['one that ended', () => order({ from: -10, to: -1 }), /ended on/],
  ['one that has not begun', () => order({ from: 2 }), /valid only from/],
  [
    'one of another domain',
    () => order({ names: ['example.net'] }),
    /does not name example.org; it names DNS:example.net/,
  ],
  ['a short RSA key', () => order({ key: generateKeyPairSync('rsa', { modulusLength: 1024 }) }), /1024 bits/],
])('refused: %s', (_what, make, message) => {
  const { cert, key } = make()
  expect(refusal(cert, key).message).toMatch(message)
})

test('refused: a key with a passphrase', () => {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { cert } = order({ key: pair })
  const key = pair.privateKey
    .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })
    .toString()
  expect(refusal(cert, key).message).toMatch(/passphrase/)
})

test('refused: a certificate of an authority, which is for no server', () => {
  const { privateKey, certPem } = company
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  expect(refusal(certPem, key).message).toMatch(/does not name/)
})

test('keys in the older forms are taken out of a file too', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const sec1 = privateKey.export({ type: 'sec1', format: 'pem' }).toString()
  const { cert } = order()
  expect(splitPem(`text before\n${sec1}${cert}${company.certPem}`)).toEqual({ cert: cert + company.certPem, key: sec1 })
})

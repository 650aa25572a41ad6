/** The authority and what it issues, read back by node:crypto, openssl and a TLS handshake. */

import { execFileSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, createServer } from 'node:tls'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { caCertFile, caKeyFile, ensureCa, exportCa } from '../../../certs/ca.ts'
import { addressBytes, signCertificate } from '../../../certs/certificate.ts'
import { srvRecords } from '../../../certs/dns.ts'
import { CertificateError } from '../../../certs/errors.ts'
import {
  ensureServerCertificate,
  type IssuedCertificate,
  issuedFile,
  issueServerCertificate,
} from '../../../certs/issue.ts'
import { needTool } from '../../support/tools.ts'

const DAY_MS = 24 * 60 * 60 * 1000

let dir = ''
beforeEach(() => {
  dir = join(mkdtempSync(join(tmpdir(), 'certs-')), 'certs')
})
afterEach(() => {
  rmSync(join(dir, '..'), { recursive: true })
})

const modeOf = (file: string): number => statSync(file).mode & 0o777

/** Resolves with the domain that a client which trusts only the authority has verified. */
async function handshake(pair: IssuedCertificate, ca: string, servername: string): Promise<string> {
  const server = createServer({ cert: pair.cert, key: pair.key }, (socket) => {
    socket.on('error', () => {})
    socket.end()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  // A TCP server has an address object.
  const { port } = server.address() as AddressInfo
  const client = connect({ port, host: '127.0.0.1', ca, servername })
  try {
    await once(client, 'secureConnect')
    return client.authorized ? servername : 'not authorized'
  } finally {
    client.destroy()
    server.close()
  }
}

describe('the authority', () => {
  test('is made once, and can be read by its owner only', () => {
    const made = ensureCa(dir)
    expect(made.isNew).toBe(true)
    expect(modeOf(dir)).toBe(0o700)
    expect(modeOf(caKeyFile(dir))).toBe(0o600)
    expect(readdirSync(dir).sort()).toEqual(['ca.crt', 'ca.key'])
    const { certificate } = made
    expect(certificate.ca).toBe(true)
    expect(certificate.verify(made.publicKey)).toBe(true)
    expect(certificate.checkIssued(certificate)).toBe(true)
    expect(Date.parse(certificate.validTo) - Date.now()).toBeGreaterThan(9.9 * 365 * DAY_MS)
    const again = ensureCa(dir)
    expect(again.isNew).toBe(false)
    expect(again.certPem).toBe(made.certPem)
    expect(exportCa(dir)).toBe(made.certPem)
    expect(exportCa(join(dir, 'elsewhere'))).toBeUndefined()
  })

  test('whose certificate is lost is the same again, by its key', () => {
    const made = ensureCa(dir)
    const issued = issueServerCertificate(made, { domains: ['a.test'] })
    rmSync(caCertFile(dir))
    const again = ensureCa(dir)
    const leaf = new X509Certificate(issued.cert)
    expect(leaf.checkIssued(again.certificate)).toBe(true)
    expect(leaf.verify(again.publicKey)).toBe(true)
  })

  test('that cannot be used is said to be so, with what to do, and left alone', () => {
    ensureCa(dir)
    const other = ensureCa(join(dir, 'other'))
    writeFileSync(caCertFile(dir), other.certPem)
    expect(() => ensureCa(dir)).toThrow(/does not belong to its key/)
    writeFileSync(caCertFile(dir), 'garbage')
    expect(() => ensureCa(dir)).toThrow(/cannot be read/)
    writeFileSync(caKeyFile(dir), 'garbage')
    expect(() => ensureCa(dir)).toThrow(/key .* cannot be read/)
    rmSync(caKeyFile(dir))
    try {
      ensureCa(dir)
      expect.unreachable()
    } catch (error) {
      expect(error).toBeInstanceOf(CertificateError)
      expect(error).toMatchObject({
        message: expect.stringContaining('missing'),
        remedy: expect.stringMatching(/backup/),
      })
    }
    expect(existsSync(caKeyFile(dir))).toBe(false)
  })
})

describe('a server certificate', () => {
  const domains = ['example.org', 'pubsub.example.org', 'bücher.example']
  const ips = ['192.0.2.7', '2001:db8::1']

  test('has the names asked for and no others', () => {
    const ca = ensureCa(dir)
    const { cert, key } = issueServerCertificate(ca, { domains, ips })
    const leaf = new X509Certificate(cert)
    expect(key).toMatch(/^-----BEGIN PRIVATE KEY-----/)
    expect(leaf.checkIssued(ca.certificate)).toBe(true)
    expect(leaf.verify(ca.publicKey)).toBe(true)
    expect(leaf.ca).toBe(false)
    expect(leaf.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'prime256v1' })
    expect(leaf.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1'])
    for (const name of ['example.org', 'EXAMPLE.org', 'pubsub.example.org', 'xn--bcher-kva.example'])
      expect(leaf.checkHost(name), name).toBeDefined()
    for (const name of ['sacm.example.org', 'a.pubsub.example.org', 'org', 'example.org.evil'])
      expect(leaf.checkHost(name), name).toBeUndefined()
    for (const ip of ips) expect(leaf.checkIP(ip), ip).toBeDefined()
    expect(leaf.checkIP('192.0.2.8')).toBeUndefined()
  })

  test('is what TLS clients take that trust only the authority, and no others', async () => {
    const ca = ensureCa(dir)
    const stranger = ensureCa(join(dir, 'stranger'))
    const pair = ensureServerCertificate(dir, 'example.org')
    expect(await handshake(pair, ca.certPem, 'example.org')).toBe('example.org')
    expect(await handshake(pair, ca.certPem, 'pubsub.example.org')).toBe('pubsub.example.org')
    await expect(handshake(pair, ca.certPem, 'example.net')).rejects.toThrow(/does not match/)
    await expect(handshake(pair, stranger.certPem, 'example.org')).rejects.toThrow(/unable to verify|self.signed/)
  })

  test('stands up to openssl, with the names of XMPP', (context) => {
    needTool(context, ['openssl', 'version'], 'apt-get install openssl')
    const ca = ensureCa(dir)
    const { cert } = issueServerCertificate(ca, { domains, ips })
    const file = join(dir, 'leaf.crt')
    writeFileSync(file, cert)
    const openssl = (...args: string[]) => execFileSync('openssl', args, { encoding: 'utf8', timeout: 30_000 })
    const verified = openssl('verify', '-x509_strict', '-purpose', 'sslserver', '-CAfile', caCertFile(dir), file)
    expect(verified.trim()).toBe(`${file}: OK`)
    const text = openssl('x509', '-in', file, '-noout', '-ext', 'subjectAltName,keyUsage,basicConstraints')
    expect(text).toContain('CA:FALSE')
    expect(text).toMatch(/XmppAddr::?\s*bücher\.example/)
    expect(text).toMatch(/SRVName::?\s*_xmpp-client\.example\.org/)
  })

  test('does not outlive its issuer', () => {
    const ca = ensureCa(dir)
    const { cert } = issueServerCertificate(ca, { domains: ['a.test'], days: 20_000 })
    expect(new X509Certificate(cert).validTo).toBe(ca.certificate.validTo)
  })

  test('of a domain longer than a common name may be', () => {
    const long = `${'a'.repeat(60)}.${'b'.repeat(60)}.test`
    const { cert } = issueServerCertificate(ensureCa(dir), { domains: [long] })
    expect(new X509Certificate(cert).checkHost(long)).toBeDefined()
  })
})

describe('the certificate that is served', () => {
  const serve = (domain: string, options = {}) => ensureServerCertificate(dir, domain, options)

  test('is issued once and kept, readable by its owner only', () => {
    const first = serve('example.org')
    expect(first).toMatchObject({ source: 'issued', isNew: true, warnings: [] })
    expect(serve('example.org')).toEqual({ ...first, isNew: false })
    expect(modeOf(issuedFile(dir))).toBe(0o600)
    const leaf = new X509Certificate(first.cert)
    for (const name of ['example.org', 'pubsub.example.org', 'sacm.example.org', 'repository.example.org'])
      expect(leaf.checkHost(name), name).toBeDefined()
  })

  test('is issued anew for another domain, a further name or address', () => {
    serve('example.org')
    expect(serve('example.net').isNew).toBe(true)
    expect(serve('example.net', { names: ['chat.example.net'] }).isNew).toBe(true)
    expect(serve('example.net', { names: ['chat.example.net'], ips: ['10.0.0.1'] }).isNew).toBe(true)
    expect(serve('example.net', { names: ['chat.example.net'], ips: ['10.0.0.1'] }).isNew).toBe(false)
  })

  test('is issued anew a month before its end', () => {
    expect(serve('example.org', { days: 29 }).isNew).toBe(true)
    expect(serve('example.org').isNew).toBe(true)
    expect(serve('example.org', { days: 31 }).isNew).toBe(false)
  })

  test('is issued anew when it is damaged or of another authority', () => {
    const first = serve('example.org')
    writeFileSync(issuedFile(dir), first.cert)
    expect(serve('example.org').isNew).toBe(true)
    rmSync(caKeyFile(dir))
    rmSync(caCertFile(dir))
    const next = serve('example.org')
    expect(next.isNew).toBe(true)
    expect(new X509Certificate(next.cert).verify(ensureCa(dir).publicKey)).toBe(true)
  })

  test.each([
    ['localhost', 'localhost', '127.0.0.1'],
    ['lab', 'lab', undefined],
    ['192.0.2.1', undefined, '192.0.2.1'],
  ])('of %s, without any DNS', (domain, host, ip) => {
    const leaf = new X509Certificate(serve(domain).cert)
    if (host) expect(leaf.checkHost(host)).toBeDefined()
    if (ip) expect(leaf.checkIP(ip)).toBeDefined()
  })
})

test('addresses as bytes', () => {
  const hex = (address: string) => addressBytes(address).toString('hex')
  expect(hex('192.0.2.255')).toBe('c00002ff')
  expect(hex('::')).toBe('0'.repeat(32))
  expect(hex('::1')).toBe(`${'0'.repeat(31)}1`)
  expect(hex('2001:db8::ff00:42:8329')).toBe('20010db8000000000000ff0000428329')
  expect(hex('1:2:3:4:5:6:7:8')).toBe('00010002000300040005000600070008')
  expect(hex('fe80::')).toBe(`fe80${'0'.repeat(28)}`)
  expect(hex('::ffff:10.0.0.1')).toBe(`${'0'.repeat(20)}ffff0a000001`)
  expect(() => addressBytes('example.org')).toThrow(TypeError)
})

test('dates after 2049 are written as RFC 5280 wants them', () => {
  const ca = ensureCa(dir)
  const notAfter = new Date('2051-02-03T04:05:06Z')
  const pem = signCertificate(
    {
      commonName: 'x',
      publicKey: ca.publicKey,
      notBefore: new Date('2049-12-31T23:59:59Z'),
      notAfter,
      use: { kind: 'server', names: { dns: ['x'], ips: [], xmpp: [], srv: [] } },
    },
    ca,
  )
  const { raw, validFrom, validTo } = new X509Certificate(pem)
  expect(new Date(validFrom)).toEqual(new Date('2049-12-31T23:59:59Z'))
  expect(new Date(validTo)).toEqual(notAfter)
  expect(raw.toString('latin1')).toContain('491231235959Z')
  expect(raw.toString('latin1')).toContain('20510203040506Z')
})

test('SRV records', () => {
  expect(srvRecords('bücher.example', { c2s: 5222, tls: 5223 }, 'xmpp.example')).toBe(
    '_xmpp-client._tcp.xn--bcher-kva.example. 3600 IN SRV 0 5 5222 xmpp.example.\n' +
      '_xmpps-client._tcp.xn--bcher-kva.example. 3600 IN SRV 0 5 5223 xmpp.example.\n',
  )
  expect(srvRecords('a.test', { tls: 443 })).toBe('_xmpps-client._tcp.a.test. 3600 IN SRV 0 5 443 a.test.\n')
})

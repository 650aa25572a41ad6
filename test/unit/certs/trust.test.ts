/** Authorities of others, their intermediates and their lists, all made with OpenSSL. RFC 5280 §5, §6. */

import { X509Certificate } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeEach, describe, expect, test } from 'vitest'
import { readCrls } from '../../../certs/crl.ts'
import { Trust } from '../../../certs/trust.ts'
import { Authority, type IssuedFiles } from '../../support/authority.ts'
import { needTool } from '../../support/tools.ts'

const DAY_MS = 86_400_000
const made: Authority[] = []
const make = (...args: ConstructorParameters<typeof Authority>): Authority => {
  const authority = new Authority(...args)
  made.push(authority)
  return authority
}
const read = ({ cert }: IssuedFiles): X509Certificate => new X509Certificate(readFileSync(cert))

describe('authorities of others', () => {
  let root: Authority
  let between: Authority
  let rsa: Authority
  let good: X509Certificate
  let bad: X509Certificate
  let below: X509Certificate
  let ofRsa: X509Certificate
  beforeEach((context) => {
    needTool(context, ['openssl', 'version'], 'apt-get install openssl')
    if (made.length > 0) return
    root = make('Root')
    between = make('Between', { issuer: root })
    rsa = make('RSA', { rsa: true })
    good = read(root.issue('good', undefined))
    const revoked = root.issue('bad', undefined)
    bad = read(revoked)
    root.revoke(revoked)
    below = read(between.issue('below', undefined))
    ofRsa = read(rsa.issue('of rsa', undefined))
  })
  afterAll(() => {
    for (const authority of made) authority.remove()
  })

  const trust = (authorities: readonly Authority[], crlFiles: readonly string[], revocation = 'required') =>
    new Trust({
      authorityFiles: authorities.map(({ cert }) => cert),
      crlFiles,
      revocation: revocation === 'required' ? 'required' : 'ifListed',
    })

  test.each([false, true])('a list tells good from revoked; DER: %s', (isDer) => {
    const each = trust([root], [root.list({ isDer })])
    expect(each.judge(good, Date.now())).toBe('good')
    expect(each.judge(bad, Date.now())).toBe('revoked')
    expect(each.judge(good, Date.now() + 40 * DAY_MS)).toBe('out-of-time')
    expect(each.judge(good, Date.now() - 40 * DAY_MS)).toBe('out-of-time')
    expect(each.warnings).toEqual([])
  })

  test('without a list nobody knows, unless the authority is taken at its word', () => {
    expect(trust([root], []).judge(good, Date.now())).toBe('no-list')
    expect(trust([root], [], 'ifListed').judge(good, Date.now())).toBe('good')
  })

  test('a list past its time says nothing of the rest, and warns', () => {
    const each = trust([root], [root.list({ isExpired: true })], 'ifListed')
    expect(each.judge(good, Date.now())).toBe('list-expired')
    expect(each.judge(bad, Date.now())).toBe('revoked')
    expect(each.warnings).toEqual([expect.stringContaining('the list ended on 2020-02-01')])
  })

  test('of two lists the later holds', () => {
    const old = root.list({ isExpired: true, name: 'old.crl' })
    expect(trust([root], [root.list(), old]).judge(good, Date.now())).toBe('good')
  })

  test('each link of a chain needs its own list; who stands between must be known', () => {
    const [ofRoot, ofBetween] = [root.list(), between.list()]
    expect(trust([root, between], [ofRoot, ofBetween]).judge(below, Date.now())).toBe('good')
    expect(trust([root, between], [ofBetween]).judge(below, Date.now())).toBe('no-list')
    expect(trust([root, between], [ofRoot]).judge(below, Date.now())).toBe('no-list')
    expect(trust([root], [ofRoot]).judge(below, Date.now())).toBe('other-authority')
    expect(trust([between], [ofBetween], 'ifListed').judge(below, Date.now())).toBe('other-authority')
  })

  test('a list signed with RSA; one that another signed is left out, and warns', () => {
    expect(trust([rsa], [rsa.list()]).judge(ofRsa, Date.now())).toBe('good')
    const each = trust([rsa], [root.list()])
    expect(each.judge(ofRsa, Date.now())).toBe('no-list')
    expect(each.warnings).toEqual([expect.stringContaining('no authority of tls.clientCas signed this list')])
  })

  test('a list that was changed after it was signed is nobody’s', () => {
    const file = root.list({ isDer: true })
    const bytes = readFileSync(file)
    const serial = Buffer.from(bad.serialNumber, 'hex')
    const at = bytes.lastIndexOf(serial)
    bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at)
    writeFileSync(file, bytes)
    expect(trust([root], [file]).judge(good, Date.now())).toBe('no-list')
  })

  test('what is no list, no authority or not there is refused, with its file', () => {
    const rubbish = join(root.folder, 'rubbish')
    for (const text of ['', 'hello', '0\x82\x01', '-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n']) {
      writeFileSync(rubbish, text, 'latin1')
      expect(() => trust([root], [rubbish])).toThrow(rubbish)
    }
    expect(() => trust([root], [join(root.folder, 'absent')])).toThrow(/absent.*ENOENT/)
    const { cert } = root.issue('leaf', undefined)
    expect(() => new Trust({ authorityFiles: [cert], crlFiles: [], revocation: 'required' })).toThrow(
      /CN=leaf is not of an authority/,
    )
    expect(() => new Trust({ authorityFiles: [rubbish], crlFiles: [], revocation: 'required' })).toThrow(
      /no certificate/,
    )
  })

  test('cut off anywhere, a list is refused and not half read', () => {
    const der = readFileSync(root.list({ isDer: true }))
    for (let length = 1; length < der.length; length++) expect(() => readCrls(der.subarray(0, length))).toThrow()
    expect([...(readCrls(der)[0]?.serials ?? [])]).toEqual([bad.serialNumber])
  })
})

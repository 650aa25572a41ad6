/** The client's SCRAM against the RFCs' own examples, and against servers that must not be believed. */

import { describe, expect, it } from 'vitest'
import { scram, startSasl } from '../../../clients/core/sasl.ts'

const NO_BINDING = { binding: undefined, plus: false } as const
const USER = { username: 'user', password: 'pencil' }

describe('SCRAM', () => {
  it('RFC 5802 §5: the example of SCRAM-SHA-1', async () => {
    const exchange = scram('SCRAM-SHA-1', USER, NO_BINDING, {}, 'fyko+d2lbbFgONRv9qkxdawL')
    expect(exchange.initial()).toBe('n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL')
    expect(await exchange.respond('r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096')).toBe(
      'c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=',
    )
    expect(() => exchange.finish('v=rmF9pqV8S7suAoZWja4dJRkFsKQ=')).not.toThrow()
  })

  it('RFC 7677 §3: the example of SCRAM-SHA-256', async () => {
    const exchange = scram('SCRAM-SHA-256', USER, NO_BINDING, {}, 'rOprNGfwEbeRWgbNEkqO')
    expect(
      await exchange.respond('r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096'),
    ).toBe('c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=')
    expect(() => exchange.finish('v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=')).not.toThrow()
  })

  const first = 'r=abcdef,s=QSXCR+Q6sek8bf92,i=4096'
  const begin = () => scram('SCRAM-SHA-1', USER, NO_BINDING, {}, 'abc')

  it("refuses success without the server's signature", async () => {
    const early = begin()
    expect(() => early.finish('v=rmF9pqV8S7suAoZWja4dJRkFsKQ=')).toThrow(/without a challenge/)
    const exchange = begin()
    await exchange.respond(first)
    expect(() => exchange.finish('')).toThrow(/signature is wrong/)
    expect(() => exchange.finish('v=rmF9pqV8S7suAoZWja4dJRkFsKQ=')).toThrow(/signature is wrong/)
    expect(() => exchange.finish('e=other-error')).toThrow(/other-error/)
  })

  it.each([
    ['a nonce that is not ours', 'r=xyzdef,s=QSXCR+Q6sek8bf92,i=4096', 'not-authorized'],
    ['our nonce with nothing added', 'r=abc,s=QSXCR+Q6sek8bf92,i=4096', 'not-authorized'],
    ['few iterations', 'r=abcdef,s=QSXCR+Q6sek8bf92,i=1', 'mechanism-too-weak'],
    ['endless iterations', 'r=abcdef,s=QSXCR+Q6sek8bf92,i=4000000000', 'mechanism-too-weak'],
    ['iterations that are no number', 'r=abcdef,s=QSXCR+Q6sek8bf92,i=4096x', 'malformed-request'],
    ['no salt', 'r=abcdef,i=4096', 'malformed-request'],
    ['an extension', 'm=x,r=abcdef,s=QSXCR+Q6sek8bf92,i=4096', 'malformed-request'],
  ])('refuses %s', async (_, challenge, condition) => {
    await expect(begin().respond(challenge)).rejects.toMatchObject({ name: 'SaslError', condition })
  })

  it('RFC 5802 §5.1: escapes the name; §6: says whether it could bind the channel', () => {
    const binding = { type: 'tls-exporter', data: Buffer.from('data') } as const
    const user = { username: 'a=b,c', password: 'x' }
    expect(scram('SCRAM-SHA-1', user, NO_BINDING, {}, 'n').initial()).toBe('n,,n=a=3Db=2Cc,r=n')
    expect(scram('SCRAM-SHA-1', user, { binding, plus: false }, {}, 'n').initial()).toMatch(/^y,,/)
    expect(scram('SCRAM-SHA-1', user, { binding, plus: true }, {}, 'n').initial()).toMatch(/^p=tls-exporter,,/)
  })

  it('RFC 9266: the binding data goes into the final message', async () => {
    const binding = { type: 'tls-exporter', data: Buffer.from('data') } as const
    const exchange = scram('SCRAM-SHA-1', USER, { binding, plus: true }, {}, 'abc')
    const cbind = Buffer.from('p=tls-exporter,,data').toString('base64')
    expect(await exchange.respond(first)).toContain(`c=${cbind},r=abcdef,`)
  })
})

describe('the choice of a mechanism', () => {
  const choose = (offered: string[], allowPlain = false) =>
    startSasl(offered, USER, undefined, { allowPlain }).mechanism

  it('takes the strongest offered', () => {
    expect(choose(['PLAIN', 'SCRAM-SHA-1', 'SCRAM-SHA-256'])).toBe('SCRAM-SHA-256')
    expect(choose(['PLAIN', 'SCRAM-SHA-1'], true)).toBe('SCRAM-SHA-1')
    const binding = { type: 'tls-exporter', data: Buffer.alloc(32) } as const
    expect(startSasl(['SCRAM-SHA-512', 'SCRAM-SHA-1-PLUS'], USER, binding).mechanism).toBe('SCRAM-SHA-1-PLUS')
  })

  it('never takes PLAIN unless asked to', () => {
    expect(() => choose(['PLAIN'])).toThrow(/no acceptable mechanism/)
    expect(() => choose(['PLAIN', 'DIGEST-MD5', 'ANONYMOUS'])).toThrow(/no acceptable mechanism/)
    expect(choose(['PLAIN'], true)).toBe('PLAIN')
  })
})

/** RFC 7622's own examples, and what the profiles behind it say. */

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { bareJid, JidError, makeJid, parseJid, tryParseJid, withResource } from '../../../server/stanza/jid.ts'
import { rounds } from '../../support/random.ts'

describe('RFC 7622 §3.5, table 1: addresses', () => {
  it.each([
    [1, 'juliet@example.com', 'juliet', 'example.com', ''],
    [2, 'juliet@example.com/foo', 'juliet', 'example.com', 'foo'],
    [3, 'juliet@example.com/foo bar', 'juliet', 'example.com', 'foo bar'],
    [4, 'juliet@example.com/foo@bar', 'juliet', 'example.com', 'foo@bar'],
    [5, 'foo\\20bar@example.com', 'foo\\20bar', 'example.com', ''],
    [6, 'fussball@example.com', 'fussball', 'example.com', ''],
    [7, 'fu\u00dfball@example.com', 'fu\u00dfball', 'example.com', ''],
    [8, '\u03c0@example.com', '\u03c0', 'example.com', ''],
    [9, '\u03a3@example.com/foo', '\u03c3', 'example.com', 'foo'],
    [10, '\u03c3@example.com/foo', '\u03c3', 'example.com', 'foo'],
    [11, '\u03c2@example.com/foo', '\u03c2', 'example.com', 'foo'],
    [12, 'king@example.com/\u265a', 'king', 'example.com', '\u265a'],
    [13, 'example.com', '', 'example.com', ''],
    [14, 'example.com/foobar', '', 'example.com', 'foobar'],
    [15, 'a.example.com/b@example.net', '', 'a.example.com', 'b@example.net'],
  ])('%i: %s', (_, text, local, domain, resource) => {
    expect(parseJid(text)).toMatchObject({ local, domain, resource })
  })
})

describe('RFC 7622 §3.5, table 2: no addresses', () => {
  it.each([
    [16, '"juliet"@example.com'],
    [17, 'foo bar@example.com'],
    [18, 'juliet@example.com/ foo'],
    [19, '@example.com/'],
    [20, 'henry\u2163@example.com'],
    [21, '\u265a@example.com'],
    [22, 'juliet@'],
    [23, '/foobar'],
  ])('%i: %s', (_, text) => {
    expect(() => parseJid(text)).toThrow(JidError)
    expect(tryParseJid(text)).toBeUndefined()
  })
})

describe('the same address in other words', () => {
  it.each([
    ['JULIET@Example.COM/Foo', 'juliet@example.com/Foo'],
    ['juliet@example.com.', 'juliet@example.com'],
    ['juliet@example.com./x', 'juliet@example.com/x'],
    ['ＪＵＬＩＥＴ@example.com', 'juliet@example.com'],
    ['cafe\u0301@example.com', 'caf\u00e9@example.com'],
    ['x@example.com/cafe\u0301', 'x@example.com/caf\u00e9'],
    ['x@example.com/a\u00a0b\u3000c', 'x@example.com/a b c'],
    ['x@example.com/ＡＢ', 'x@example.com/ＡＢ'],
    ['B\u00dcCHER@B\u00dcCHER.example', 'b\u00fccher@b\u00fccher.example'],
    ['x@xn--bcher-kva.example', 'x@b\u00fccher.example'],
    ['x@b\u00fccher\u3002example', 'x@b\u00fccher.example'],
    ['x@fa\u00df.de', 'x@fa\u00df.de'],
    ['x@[2001:DB8:0:0::1]', 'x@[2001:db8::1]'],
    ['x@[::ffff:1.2.3.4]/r', 'x@[::ffff:102:304]/r'],
    ['x@[fe80::1%25eth0]', 'x@[fe80::1%25eth0]'],
    ['x@192.0.2.1', 'x@192.0.2.1'],
    ['x@1.2', 'x@1.2'],
    ['x@localhost', 'x@localhost'],
    ['\u05d0\u05d1@example.com', '\u05d0\u05d1@example.com'],
    ['l\u00b7l@example.com', 'l\u00b7l@example.com'],
    ['\u0915\u094d\u200d\u0937@example.com', '\u0915\u094d\u200d\u0937@example.com'],
    ['\u0628\u200c\u0628@example.com', '\u0628\u200c\u0628@example.com'],
    ['\u30a2\u30fb\u30a2@example.com', '\u30a2\u30fb\u30a2@example.com'],
    ['a!#$%*+-=?^_`{|}~.()[]\\,;@b', 'a!#$%*+-=?^_`{|}~.()[]\\,;@b'],
  ])('%s is %s', (text, full) => {
    expect(parseJid(text).full).toBe(full)
    expect(parseJid(full).full).toBe(full)
  })
})

describe('no addresses', () => {
  it.each([
    ['nothing', ''],
    ['an empty domain', 'a@/b'],
    ['an empty resource', 'a@b/'],
    ['an empty local part', '@b'],
    ['two @', 'a@b@c'],
    ['a space in the domain', 'a@b c'],
    ['an underscore in the domain', 'a@b_c'],
    ['a domain that begins with a hyphen', 'a@-b'],
    ['a domain that ends with a hyphen', 'a@b-'],
    ['hyphens in places three and four', 'a@ab--cd.example'],
    ['an A-label that is none', 'a@xn--a'],
    ['an A-label of ASCII alone', 'a@xn--abc-'],
    ['an empty label', 'a@b..c'],
    ['two dots at the end', 'a@b..'],
    ['a dot alone', 'a@.'],
    ['a label of 64', `a@${'b'.repeat(64)}`],
    ['a domain of 254', `a@${'b.'.repeat(126)}bb`],
    ['an emoji in the domain', 'a@\u{1f600}.example'],
    ['a symbol in the domain', 'a@\u2603.example'],
    ['a right-to-left label that ends left to right', 'a@\u05d0a.example'],
    ['an unclosed literal', 'a@[::1'],
    ['an IPv4 address in brackets', 'a@[1.2.3.4]'],
    ['a zone without a name', 'a@[fe80::1%25]'],
    ['a zone in plain', 'a@[fe80::1%eth0]'],
    ['text after a literal', 'a@[::1]b'],
    ['an ampersand in the local part', 'a&b@c'],
    ['an apostrophe in the local part', "a'b@c"],
    ['a colon in the local part', 'a:b@c'],
    ['< in the local part', 'a<b@c'],
    ['> in the local part', 'a>b@c'],
    ['a fullwidth @ in the local part', 'a\uff20b@c'],
    ['a fullwidth solidus in the local part', 'a\uff0fb@c'],
    ['a soft hyphen in the local part', 'a\u00adb@c'],
    ['a control character in the local part', 'a\u0007b@c'],
    ['a control character in the resource', 'a@b/c\u0007'],
    ['a line feed in the resource', 'a@b/c\nd'],
    ['a leading space of another kind in the resource', 'a@b/\u00a0c'],
    ['an unassigned code point in the resource', 'a@b/\u0378'],
    ['a private code point in the resource', 'a@b/\ue000'],
    ['a noncharacter in the resource', 'a@b/\ufdd0'],
    ['half a character', 'a@b/\ud800'],
    ['right-to-left mixed with left-to-right', '\u05d0a@b'],
    ['a joiner without its context', 'a\u200db@c'],
    ['a non-joiner without its context', 'a\u200cb@c'],
    ['a middle dot without its context', 'a\u00b7b@c'],
    ['both sets of Arabic digits', '\u0628\u0661\u06f1@c'],
    ['a Katakana dot without its script', 'a\u30fbb@c'],
    ['old Hangul', '\u1100\u1161@c'.normalize('NFD')],
    ['a local part of 1024', `${'a'.repeat(1024)}@b`],
    ['a local part of 1024 bytes', `${'\u00e9'.repeat(512)}@b`],
    ['a resource of 1024', `a@b/${'c'.repeat(1024)}`],
    ['megabytes', 'a'.repeat(3_000_000)],
  ])('%s', (_, text) => {
    expect(tryParseJid(text)).toBeUndefined()
  })
})

it('takes parts of exactly 1023 bytes', () => {
  expect(parseJid(`${'a'.repeat(1023)}@b/${'\u00e9'.repeat(511)}c`).local).toHaveLength(1023)
})

it('names the part, not its content', () => {
  expect(() => parseJid('sec ret@b')).toThrow(/^local part$/)
  expect(() => parseJid('a@sec ret')).toThrow(/^domain$/)
  expect(() => parseJid('a@b/sec\0ret')).toThrow(/^resource$/)
})

it('makes, cuts and extends addresses', () => {
  const jid = makeJid('Alice', 'Example.ORG', 'desk')
  expect(jid).toEqual({
    local: 'alice',
    domain: 'example.org',
    resource: 'desk',
    bare: 'alice@example.org',
    full: 'alice@example.org/desk',
  })
  expect(bareJid(jid).full).toBe('alice@example.org')
  expect(bareJid(bareJid(jid))).toEqual(bareJid(jid))
  expect(withResource(jid, 'phone').full).toBe('alice@example.org/phone')
  expect(withResource(bareJid(jid), 'a\u00a0b').resource).toBe('a b')
  expect(() => withResource(jid, '\0')).toThrow(JidError)
  expect(makeJid('', 'b').full).toBe('b')
})

it('knows an address again, in bounds', () => {
  const first = parseJid('again@example.org/x')
  expect(parseJid('again@example.org/x')).toBe(first)
  for (let i = 0; i < 20_000; i++) parseJid(`u${i}@example.org`)
  expect(parseJid('again@example.org/x')).not.toBe(first)
  expect(parseJid('again@example.org/x')).toEqual(first)
})

it('is stable: a prepared address is prepared', () => {
  const part = fc.string({ unit: 'binary', minLength: 1, maxLength: 6 })
  fc.assert(
    fc.property(part, part, part, (local, domain, resource) => {
      for (const text of [`${local}@example.org/${resource}`, `a@${domain}.example`]) {
        const jid = tryParseJid(text)
        if (jid) expect(parseJid(jid.full)).toEqual(jid)
      }
    }),
    { seed: 7622, numRuns: rounds(2000) },
  )
})

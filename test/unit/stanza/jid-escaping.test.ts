/** XEP-0106 §5.1's table and §4.2, §4.3's examples, both ways. */

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { JidError, tryParseJid } from '../../../server/stanza/jid.ts'
import { escapeLocal } from '../../../server/stanza/jid-escaping.ts'

/** A local part as a person is shown it. §3.3, §4.1, §4.3 */
function unescapeLocal(local: string): string {
  // §4.1: a space at the very start or end is none.
  return local.replace(/\\(20|22|26|27|2f|3a|3c|3e|40|5c)/g, (found, hex: string, at: number) =>
    found === '\\20' && (at === 0 || at + 3 === local.length) ? found : String.fromCharCode(Number.parseInt(hex, 16)),
  )
}

test.each([
  ['space cadet', 'space\\20cadet'],
  ['call me "ishmael"', 'call\\20me\\20\\22ishmael\\22'],
  ['at&t guy', 'at\\26t\\20guy'],
  ["d'artagnan", 'd\\27artagnan'],
  ['/.fanboy', '\\2f.fanboy'],
  ['::foo::', '\\3a\\3afoo\\3a\\3a'],
  ['<foo>', '\\3cfoo\\3e'],
  ['user@host', 'user\\40host'],
  ['c:\\net', 'c\\3a\\net'],
  ['c:\\\\net', 'c\\3a\\\\net'],
  ['c:\\cool stuff', 'c\\3a\\cool\\20stuff'],
  ['c:\\5commas', 'c\\3a\\5c5commas'],
  ['\\3and\\2is\\5cool', '\\5c3and\\2is\\5c5cool'],
])('§4.2, §5.1  %s is %s', (shown, local) => {
  expect(escapeLocal(shown)).toBe(local)
  expect(unescapeLocal(local)).toBe(shown)
  expect(tryParseJid(`${local}@example.com`)?.local).toBe(local)
})

test.each(['\\2plus\\2is\\4', 'foo\\bar', 'foob\\41r', '\\20at-both-ends\\20'])(
  '§4.1, §4.3  %s is not an escape',
  (text) => {
    expect(unescapeLocal(text)).toBe(text)
  },
)

test('§4.3  what is no escape is not escaped', () => {
  for (const text of ['\\2plus\\2is\\4', 'foo\\bar', 'foob\\41r']) expect(escapeLocal(text)).toBe(text)
})

test('§4.1  no space at either end', () => {
  for (const text of [' a', 'a ', ' ']) expect(() => escapeLocal(text)).toThrow(JidError)
})

describe('any text', () => {
  test('comes back, and holds no disallowed character in between', () => {
    const texts = fc.array(fc.constantFrom(...' "&\'/:<>@\\2035cef7ax'.split(''))).map((parts) => `x${parts.join('')}x`)
    fc.assert(
      fc.property(texts, (text) => {
        const local = escapeLocal(text)
        expect(local).not.toMatch(/[ "&'/:<>@]/)
        expect(unescapeLocal(local)).toBe(text)
      }),
    )
  })
})

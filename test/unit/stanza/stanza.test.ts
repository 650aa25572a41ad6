/** Replies, times on the wire. RFC 6120 §8.3.1, XEP-0082. */

import { describe, expect, it } from 'vitest'
import { StanzaError } from '../../../server/stanza/errors.ts'
import { errorReply, resultReply, writeResult } from '../../../server/stanza/stanza.ts'
import { formatDateTime, parseDateTime } from '../../../server/stanza/time.ts'
import { el, RawXml } from '../../../server/xml/element.ts'
import { parseFragment } from '../../../server/xml/parser.ts'
import { serialize } from '../../../server/xml/serialize.ts'

const stanza = (text: string) => parseFragment(text.replace(/^<(\w+)/, "<$1 xmlns='jabber:client'"))
const error = new StanzaError('cancel', 'item-not-found', 'gone fishing')

describe('error replies', () => {
  it('swap the addresses and keep the id', () => {
    const reply = errorReply(stanza("<iq type='get' id='1' from='a@b/c' to='d@e'><q xmlns='u'/></iq>"), error, 'e')
    expect(reply && serialize(reply)).toBe(
      '<iq type="error" id="1" from="d@e" to="a@b/c"><error type="cancel" by="e">' +
        '<item-not-found xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/>' +
        '<text xmlns="urn:ietf:params:xml:ns:xmpp-stanzas" xml:lang="en">gone fishing</text></error></iq>',
    )
  })

  it('leave out an address that is malformed', () => {
    const reply = errorReply(stanza("<message from='a@b/c' to='d e@f'/>"), error)
    expect(reply?.attrs).toEqual({ xmlns: 'jabber:client', type: 'error', to: 'a@b/c' })
  })

  it.each([
    ["<iq type='error' id='1'/>", false],
    ["<iq type='result' id='1'/>", false],
    ["<message type='error'/>", false],
    ["<presence type='error'/>", false],
    ["<message type='result'/>", true],
    ['<message/>', true],
    ["<presence type='probe'/>", true],
    ["<iq type='set' id='1'/>", true],
  ])('%s: %s', (text, answered) => {
    expect(errorReply(stanza(text), error) !== undefined).toBe(answered)
  })
})

it('results swap the addresses and keep the id', () => {
  const iq = stanza("<iq type='get' id='1' from='a@b/c' to='d@e'/>")
  expect(serialize(resultReply(iq, el('q', { xmlns: 'u' })))).toBe(
    '<iq type="result" id="1" from="d@e" to="a@b/c"><q xmlns="u"/></iq>',
  )
  expect(serialize(resultReply(stanza("<iq type='get' id='1'/>")))).toBe('<iq type="result" id="1"/>')
})

describe('times', () => {
  it.each([
    ['1969-07-21T02:56:15Z', -14159025000],
    ['1969-07-20T21:56:15-05:00', -14159025000],
    ['2026-11-22T10:00:00Z', 1795341600000],
    ['2026-11-22T10:00:00.5Z', 1795341600500],
    ['2026-11-22T10:00:00.123456789Z', 1795341600123],
    ['2024-02-29T00:00:00+00:00', 1709164800000],
  ])('%s', (text, ms) => {
    expect(parseDateTime(text)).toBe(ms)
  })

  it.each([
    '2026-11-22',
    '2026-11-22T10:00:00',
    '2026-11-22 10:00:00Z',
    '2026-11-22T10:00Z',
    '2026-11-22T24:00:00Z',
    '2026-11-22T10:60:00Z',
    '2026-11-22T10:00:60Z',
    '2026-02-30T10:00:00Z',
    '2025-02-29T10:00:00Z',
    '2026-13-01T10:00:00Z',
    '2026-00-01T10:00:00Z',
    '2026-11-22T10:00:00.Z',
    '2026-11-22T10:00:00+0100',
    '2026-11-22T10:00:00+24:00',
    '2026-11-22T10:00:00z',
    ' 2026-11-22T10:00:00Z',
    '20261122T10:00:00',
    '',
  ])('refuses %j', (text) => {
    expect(parseDateTime(text)).toBeUndefined()
  })

  it('writes what it reads', () => {
    expect(formatDateTime(1795341600000)).toBe('2026-11-22T10:00:00Z')
    expect(formatDateTime(1795341600123)).toBe('2026-11-22T10:00:00.123Z')
    expect(parseDateTime(formatDateTime(1795341600123))).toBe(1795341600123)
  })
})

it.each([
  [`<iq type='get' id='1' from='a@b/c' to='d@e'><q xmlns='u'/></iq>`, el('q', { xmlns: 'u' }, el('x'), 'a & b')],
  [`<iq type='set' id='a&amp;"&#10;é' to='d@e' from='a@b/c &lt;'/>`, el('q', {}, 'text')],
  [`<iq type='get' id='1'><q xmlns='u'/></iq>`, undefined],
  [`<iq type='get' id=''/>`, el('q', { xmlns: 'jabber:client' })],
  [`<iq type='get' id='1'/>`, new RawXml('<q xmlns="u">as it was stored</q>')],
])('a result written at once is the result that would be built: %s', (text, payload) => {
  const iq = stanza(text)
  const written = writeResult(iq, payload)
  expect(written).toBe(serialize(resultReply(iq, payload)))
})

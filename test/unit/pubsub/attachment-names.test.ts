/** An item has one attachment node, however its URI is written. XEP-0470 §4.1.1; RFC 5122 §2.2. */

import { describe, expect, test } from 'vitest'
import {
  attachmentsOf,
  canonicalName,
  isAttachmentNode,
  isKept,
  isSummary,
  summaryOf,
  targetOf,
} from '../../../modules/pubsub/attachment-names.ts'
import { random } from '../../support/random.ts'

const PREFIX = 'urn:xmpp:pubsub-attachments:1/'
const OF_SHARED = ['pubsub.test', 'test'] as const

test('the name of the example is made, and read back', () => {
  const name = attachmentsOf('juliet@capulet.lit', 'urn:xmpp:microblog:0', 'balcony-restoration-afd1')
  expect(name).toBe(`${PREFIX}xmpp:juliet@capulet.lit?;node=urn%3Axmpp%3Amicroblog%3A0;item=balcony-restoration-afd1`)
  const target = { nodeId: 'urn:xmpp:microblog:0', itemId: 'balcony-restoration-afd1' }
  expect(targetOf(name, ['juliet@capulet.lit'])).toMatchObject(target)
  expect(canonicalName(name, ['juliet@capulet.lit'])).toBe(name)
  expect([isAttachmentNode(name), isSummary(name), isKept(name)]).toEqual([true, false, true])
})

test('a summary is named by its node', () => {
  const name = summaryOf('urn:xmpp:microblog:0')
  expect(name).toBe('urn:xmpp:pubsub-attachments:summary:1/urn:xmpp:microblog:0')
  expect(targetOf(name, OF_SHARED)).toEqual({ nodeId: 'urn:xmpp:microblog:0', itemId: undefined })
  expect([isAttachmentNode(name), isSummary(name), isKept(name)]).toEqual([false, true, true])
  expect(canonicalName(name, OF_SHARED)).toBe(name)
})

describe('ways to write one item', () => {
  const canonical = attachmentsOf('pubsub.test', 'a/b c', "d;e'")
  test.each([
    "xmpp:pubsub.test?;node=a%2Fb%20c;item=d%3Be'",
    'xmpp:test?;node=a%2Fb%20c;item=d%3Be%27',
    'XMPP:PubSub.Test?;node=a/b%20c;item=d%3be%27',
    'xmpp:pubsub.test?;item=d%3Be%27;node=%61%2fb c',
  ])('%s', (uri) => {
    expect(canonicalName(PREFIX + uri, OF_SHARED)).toBe(canonical)
    expect(targetOf(PREFIX + uri, OF_SHARED)).toMatchObject({ nodeId: 'a/b c', itemId: "d;e'" })
  })
})

describe('what names no item of the service', () => {
  test.each([
    '',
    'nonsense',
    'xmpp:test',
    'xmpp:test?;node=n',
    'xmpp:test?;item=i',
    'xmpp:test?;node=;item=i',
    'xmpp:test?;node=n;item=',
    'xmpp:test?;node=n;item=i;item=j',
    'xmpp:test?;node=n;node=m;item=i',
    'xmpp:test?;node=n;item=i;x=y',
    'xmpp:test?pubsub;node=n;item=i',
    'xmpp:test/r?;node=n;item=i',
    'xmpp:test%2Fr?;node=n;item=i',
    'xmpp://test?;node=n;item=i',
    'xmpp:test?;node=n;item=%FF',
    'xmpp:test?;node=n;item=%',
    'xmpp:te%zst?;node=n;item=i',
    'xmpp:test?;node=n;item=i#part',
    'xmpp:elsewhere.test?;node=n;item=i',
    'xmpp:alice@test?;node=n;item=i',
    'http:test?;node=n;item=i',
  ])('%s', (uri) => {
    expect(targetOf(PREFIX + uri, OF_SHARED)).toBeUndefined()
    expect(canonicalName(PREFIX + uri, OF_SHARED)).toBe(PREFIX + uri)
  })
  test.each(['n', 'urn:xmpp:pubsub-attachments:1', 'urn:xmpp:pubsub-attachments:10/x', 'xmpp:test?;node=n;item=i'])(
    '%s',
    (nodeId) => {
      expect(isKept(nodeId)).toBe(false)
      expect(targetOf(nodeId, OF_SHARED)).toBeUndefined()
    },
  )
})

test('nothing is attached to attachments or summaries', () => {
  for (const nodeId of [attachmentsOf('test', 'n', 'i'), summaryOf('n')]) {
    expect(targetOf(attachmentsOf('test', nodeId, 'j'), OF_SHARED)).toBeUndefined()
    expect(targetOf(summaryOf(nodeId), OF_SHARED)).toBeUndefined()
  }
})

test('any node and item are named, and found by their names alone', () => {
  const chance = random(470)
  const characters = Array.from('aZ09-._~!*\'();:@&=+$,/?#[]%"<>\\^`{|} é👩🏽‍🚀')
  const text = () => Array.from({ length: 1 + chance.int(12) }, () => chance.pick(characters)).join('')
  for (const address of ['pubsub.test', 'alice@test', 'é!$()*+,;=@bücher.example', '[::1]', 'a@[::1]'])
    for (let round = 0; round < 50; round++) {
      const [nodeId, itemId] = [text(), text()]
      const name = attachmentsOf(address, nodeId, itemId)
      const query = name.slice(name.indexOf('?'))
      // RFC 5122 §2.2: unreserved characters and octets
      expect(query).toMatch(/^\?;node=(?:[\w.~-]|%[\dA-F]{2})+;item=(?:[\w.~-]|%[\dA-F]{2})+$/)
      expect(name.slice(0, name.indexOf('?'))).toMatch(/^[\x21-\x7e]+$/)
      expect(targetOf(name)).toMatchObject({ nodeId, itemId })
    }
})

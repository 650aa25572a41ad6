/** Which messages are kept, when a box is full, and where the delay goes. XEP-0160 §3, XEP-0334 §4. */

import { expect, test } from 'vitest'
import { hasRoom, isStorable, NS_HINTS } from '../../../modules/offline/rules.ts'
import { insertLast } from '../../../modules/offline/service.ts'
import { type Element, el } from '../../../server/xml/element.ts'

const CHAT_STATES = 'http://jabber.org/protocol/chatstates'
const message = (type: string | undefined, ...children: Element[]) => el('message', { type }, ...children)
const body = el('body', {}, 'x')
const hint = (name: string) => el(name, { xmlns: NS_HINTS })
const state = el('composing', { xmlns: CHAT_STATES })

test.each<readonly [string, Element, boolean]>([
  ['normal', message('normal', body), true],
  ['no type', message(undefined, body), true],
  ['a type nobody knows', message('unknown', body), true],
  ['chat', message('chat', body), true],
  ['an empty normal one', message('normal'), true],
  ['groupchat', message('groupchat', body), false],
  ['headline', message('headline', body), false],
  ['error', message('error', body), false],
  ['error with a hint', message('error', hint('store')), false],
  ['only a chat state', message('chat', state), false],
  ['a chat state and its thread', message('chat', el('thread', {}, 't'), state), false],
  ['a chat state beside a body', message('chat', body, state), true],
  ['a chat state with the hint', message('chat', state, hint('store')), true],
  ['not to be stored', message('chat', body, hint('no-store')), false],
  ['not to be stored for good', message('chat', body, hint('no-permanent-store')), true],
])('%s', (_, stanza, expected) => {
  expect(isStorable(stanza)).toBe(expected)
})

test('each bound of a box counts', () => {
  const limits = { messages: 3, perSender: 2, chars: 10 }
  expect(hasRoom(limits, { messages: 2, fromSender: 1, chars: 5 }, 5)).toBe(true)
  expect(hasRoom(limits, { messages: 3, fromSender: 1, chars: 5 }, 5)).toBe(false)
  expect(hasRoom(limits, { messages: 2, fromSender: 2, chars: 5 }, 5)).toBe(false)
  expect(hasRoom(limits, { messages: 2, fromSender: 1, chars: 5 }, 6)).toBe(false)
})

test.each([
  ['<message/>', '<message><d/></message>'],
  ['<message a="/>"/>', '<message a="/>"><d/></message>'],
  ['<message><body>x</body></message>', '<message><body>x</body><d/></message>'],
  ['<c:message xmlns:c="jabber:client"/>', '<c:message xmlns:c="jabber:client"><d/></c:message>'],
  ['<message><a/></message>', '<message><a/><d/></message>'],
])('the delay goes to the end of %s', (xml, expected) => {
  expect(insertLast(xml, '<d/>')).toBe(expected)
})

/** What is shown of a stanza when its address is looked at: how it is built, and nothing that anybody said. */

import { expect, test } from 'vitest'
import { redacted } from '../../../server/session/trace.ts'
import { el, RawXml } from '../../../server/xml/element.ts'
import { parseFragment } from '../../../server/xml/parser.ts'

const shown = (text: string): string => redacted(parseFragment(text.replace(/^<(\w+)/, "<$1 xmlns='jabber:client'")))

test.each([
  [
    "<message from='a@test/x' to='b@test' id='1' type='chat'><subject>s</subject><body>meet me at nine</body></message>",
    '<message from="a@test/x" to="b@test" id="1" type="chat"><subject>… 1 characters</subject><body>… 15 characters</body></message>',
  ],
  [
    "<iq type='set' id='1'><query xmlns='jabber:iq:register'><username>bob</username><password>hunter2</password></query></iq>",
    '<iq type="set" id="1"><query xmlns="jabber:iq:register"><username>… 3 characters</username><password>… 7 characters</password></query></iq>',
  ],
  [
    "<iq type='result' id='1'><slot xmlns='urn:xmpp:http:upload:0'><put url='https://h/secret'><header name='Authorization'>t</header></put></slot></iq>",
    '<iq type="result" id="1"><slot xmlns="urn:xmpp:http:upload:0"><put url="…"><header name="…">… 1 characters</header></put></slot></iq>',
  ],
  [
    "<iq type='error' id='1'><error type='auth'><forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
    '<iq type="error" id="1"><error type="auth"><forbidden xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>',
  ],
  [
    "<presence><p:x xmlns:p='urn:p' p:key='value' q='r'>y</p:x></presence>",
    '<presence><p:x xmlns:p="urn:p" q="…">… 1 characters</p:x></presence>',
  ],
])('%s', (text, expected) => {
  expect(shown(text)).toBe(expected)
})

test('of what is written out already too', () => {
  expect(redacted({ xml: '<message to="a@test"><body>psst</body></message>' })).toBe(
    '<message to="a@test"><body>… 4 characters</body></message>',
  )
  const item = el('item', { id: '1' }, new RawXml('<p xmlns="urn:p" a="b">psst</p>'))
  expect(redacted(el('message', { xmlns: 'jabber:client' }, item))).toBe(
    '<message><item id="1"><p xmlns="urn:p" a="…">… 4 characters</p></item></message>',
  )
})

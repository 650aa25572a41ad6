import { describe, expect, test } from 'vitest'
import { Deferred } from '../../../server/session/deferred.ts'

const CHAT_STATES = 'http://jabber.org/protocol/chatstates'

describe('XEP-0352 §3  what an inactive client need not hear at once', () => {
  test('the last presence and chat state of each sender, in the order of their last change', () => {
    const deferred = new Deferred(10)
    const held = [
      '<presence from="a@test/x"/>',
      '<presence from="b@test/x"><show>away</show></presence>',
      `<message from="a@test/x" to="c@test"><composing xmlns="${CHAT_STATES}"/></message>`,
      `<message from='a@test/x' to='c@test'><paused xmlns='${CHAT_STATES}'/></message>`,
      "<presence type='unavailable' from='a@test/x'/>",
      `<message from="b@test/x"><gone  xmlns='${CHAT_STATES}' /></message>`,
      `<message from="c@test/x"><gone xmlns='${CHAT_STATES}'></gone></message>`,
    ]
    for (const xml of held) expect(deferred.hold(xml), xml).toBe(true)
    expect(deferred.take()).toEqual([held[1], held[3], held[4], held[5], held[6]])
    expect(deferred.take()).toEqual([])
  })

  test.each([
    '<message from="a@test/x"><body>hello</body></message>',
    `<message from="a@test/x"><body>hello</body><active xmlns="${CHAT_STATES}"/></message>`,
    `<message type="error" from="a@test/x"><active xmlns="${CHAT_STATES}"/></message>`,
    '<iq type="get" id="1" from="a@test/x"><query xmlns="urn:x"/></iq>',
    '<presence type="subscribe" from="a@test"/>',
    '<presence type="error" from="a@test"/>',
  ])('but not %s', (xml) => {
    expect(new Deferred(10).hold(xml)).toBe(false)
  })

  test('nor more than the bound allows', () => {
    const deferred = new Deferred(2)
    expect(['a', 'b', 'a', 'c'].map((from) => deferred.hold(`<presence from="${from}@test"/>`))).toEqual([
      true,
      true,
      true,
      false,
    ])
    expect(deferred.take()).toHaveLength(2)
  })
})

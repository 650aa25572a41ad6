/** Many clients with the same hash, clients that change, lie or say nothing, and the bound of what is kept. */

import { parse } from 'ltx'
import { describe, expect, test } from 'vitest'
import { type Capabilities, ClientCaps } from '../../../modules/caps/clients.ts'
import { caps2Input, hashOf } from '../../../modules/caps/hash.ts'
import { readInfo } from '../../../modules/caps/info.ts'
import type { SessionHandle } from '../../../server/module/api.ts'
import { StanzaError } from '../../../server/stanza/errors.ts'
import { parseJid } from '../../../server/stanza/jid.ts'
import { type Element, el } from '../../../server/xml/element.ts'
import { silent } from '../stream/harness.ts'
import { SIMPLE } from './examples.ts'

/** Of SIMPLE. XEP-0390 §4.5. */
const HASH = 'kzBZbkqJ3ADrj7v08reD1qcWUwNGHaidNUgD7nHpiw8='
const LIE = "<query xmlns='http://jabber.org/protocol/disco#info'><feature var='evil'/></query>"

function presence(hash = HASH): Element {
  return parse(
    `<presence xmlns='jabber:client'><c xmlns='urn:xmpp:caps'><hash xmlns='urn:xmpp:hashes:2' algo='sha-256'>${hash}</hash></c></presence>`,
  )
}

/** What ClientCaps knows of a session is its address and its identity. */
function session(name: string): SessionHandle {
  const fullJid = parseJid(`${name}@test/desk`)
  return { fullJid, bareJid: fullJid.bare, id: name } as SessionHandle
}

interface Question {
  readonly to: string
  readonly node: string
  answer(xml: string): void
  fail(): void
}

function setUp(maxCached = 10) {
  const asked: Question[] = []
  const known: [string, Capabilities][] = []
  const caps = new ClientCaps({
    endpoint: {
      request: (to, _type, payload) => {
        const { promise, resolve, reject } = Promise.withResolvers<Element | undefined>()
        asked.push({
          to: to.full,
          node: String(payload.attrs['node']),
          answer: (xml) => resolve(parse(xml)),
          fail: () => reject(new StanzaError('cancel', 'service-unavailable')),
        })
        return promise
      },
    },
    maxCached,
    timeoutMs: 1000,
    log: silent,
    onKnown: ({ id }, capabilities) => known.push([id, capabilities]),
  })
  return { caps, asked, known }
}

/** Whatever is asked without waiting for anything has been asked then. */
const turn = () => new Promise((resolve) => setImmediate(resolve))

const features = (caps: ClientCaps, of: SessionHandle) => caps.of(of)?.features

describe('clients that show a hash', () => {
  test('at once are asked once, by the first; whoever comes later is not asked', async () => {
    const { caps, asked, known } = setUp()
    const [a, b, c] = [session('a'), session('b'), session('c')]
    const pending = [caps.onPresence(a, presence()), caps.onPresence(b, presence())]
    await turn()
    expect(asked.map(({ to, node }) => [to, node])).toEqual([['a@test/desk', `urn:xmpp:caps#sha-256.${HASH}`]])
    expect(caps.of(a)).toBeUndefined()
    asked[0]?.answer(SIMPLE)
    await Promise.all(pending)
    await caps.onPresence(c, presence())
    expect(asked).toHaveLength(1)
    for (const each of [a, b, c]) expect(features(caps, each)).toContain('urn:xmpp:receipts')
    expect(known.map(([id]) => id)).toEqual(['a', 'b', 'c'])
  })

  test('are asked themselves when the first lied or said nothing', async () => {
    for (const first of ['lies', 'fails'] as const) {
      const { caps, asked } = setUp()
      const [a, b] = [session('a'), session('b')]
      const pending = [caps.onPresence(a, presence()), caps.onPresence(b, presence())]
      await turn()
      if (first === 'lies') asked[0]?.answer(LIE)
      else asked[0]?.fail()
      await pending[0]
      await turn()
      expect(asked).toHaveLength(2)
      asked[1]?.answer(SIMPLE)
      await Promise.all(pending)
      // A lie binds the liar alone.
      expect(features(caps, a)?.has('evil')).toBe(first === 'lies' ? true : undefined)
      expect(features(caps, b)).toContain('urn:xmpp:receipts')
    }
  })

  test('and change, or go, before the answer are not known by it', async () => {
    const { caps, asked, known } = setUp()
    const a = session('a')
    const first = caps.onPresence(a, presence())
    await caps.onPresence(a, presence('another='))
    await caps.onPresence(a, presence('a third='))
    await turn()
    expect(asked).toHaveLength(1)
    asked[0]?.answer(SIMPLE)
    await turn()
    expect(caps.of(a)).toBeUndefined()
    // One question at a time: the second hash was never asked for.
    expect(asked.map(({ node }) => node.slice(-8))).toEqual([HASH.slice(-8), 'a third='])
    await caps.onPresence(a, undefined)
    asked[1]?.answer(LIE)
    await first
    expect(caps.of(a)).toBeUndefined()
    expect(known).toEqual([])
  })

  test('once more, or none, say nothing new', async () => {
    const { caps, asked, known } = setUp()
    const a = session('a')
    const pending = caps.onPresence(a, presence())
    await turn()
    asked[0]?.answer(SIMPLE)
    await pending
    await caps.onPresence(a, presence())
    await caps.onPresence(a, el('presence'))
    expect([asked.length, known.length]).toEqual([1, 1])
    expect(features(caps, a)).toContain('urn:xmpp:receipts')
  })
})

test('what is kept is bounded: the one used longest ago goes first', async () => {
  const { caps, asked } = setUp(1)
  const other = SIMPLE.replace('BombusMod', 'Other')
  const show = async (name: string, hash: string, xml: string): Promise<void> => {
    const before = asked.length
    const pending = caps.onPresence(session(name), presence(hash))
    await turn()
    if (asked.length > before) asked.at(-1)?.answer(xml)
    await pending
  }
  const otherHash = hashOf('sha-256', caps2Input(readInfo(parse(other)), '') ?? Buffer.alloc(0))
  await show('a', HASH, SIMPLE)
  await show('b', HASH, SIMPLE)
  expect(asked).toHaveLength(1)
  await show('c', otherHash, other)
  await show('d', otherHash, other)
  expect(asked).toHaveLength(2)
  await show('e', HASH, SIMPLE)
  expect(asked).toHaveLength(3)
})

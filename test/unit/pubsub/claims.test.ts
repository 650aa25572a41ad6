/** Nodes that another module owns: who may do what there, what is stored together, and who sees which item. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type ClaimedNodes, type PreparedPublish, type Pubsub, SHARED_SCOPE } from '../../../modules/pubsub/api.ts'
import { askerOf, type PubsubParts } from '../../../modules/pubsub/context.ts'
import { listItems, nodeInfo } from '../../../modules/pubsub/discovery.ts'
import { reviewKept } from '../../../modules/pubsub/kept.ts'
import { pubsubSeam } from '../../../modules/pubsub/seam.ts'
import { perform } from '../../../modules/pubsub/service.ts'
import { NS_PUBSUB, NS_PUBSUB_EVENT, NS_PUBSUB_OWNER, parsePubsub } from '../../../modules/pubsub/xml.ts'
import { call, type Operation, type RawStanza, Refusal, type SessionHandle } from '../../../server/module/api.ts'
import { StanzaError } from '../../../server/stanza/errors.ts'
import { parseJid } from '../../../server/stanza/jid.ts'
import type { Storage } from '../../../server/storage/storage.ts'
import { el } from '../../../server/xml/element.ts'
import { parseFragment } from '../../../server/xml/parser.ts'
import { serialize } from '../../../server/xml/serialize.ts'
import { openDirectStorage } from '../../support/direct-storage.ts'
import { pubsubParts, ROLES } from '../../support/pubsub-parts.ts'

const SCOPES: Readonly<Record<string, 'all' | readonly string[]>> = { 'all@test': 'all', 'one@test': ['e1'] }

let storage: Storage
let sent: RawStanza[]
let parts: PubsubParts
let seam: Pubsub
let prepared: PreparedPublish
let ran: string[]

/** What the claimer stores beside the item: here, nothing but a note that it ran, and the scope. */
const note: Operation<{ text: string; scope?: string; refuse?: string }, string> = {
  name: 'test.note',
  kind: 'write',
  run(tx, { text, scope, refuse }) {
    if (refuse) throw new Refusal(refuse)
    if (scope) tx.shared.set(SHARED_SCOPE, scope)
    return text
  },
}

const claim: ClaimedNodes = {
  owns: (nodeId) => nodeId.startsWith('/'),
  authorizeSubscribe({ bare }) {
    if (SCOPES[bare] === undefined) throw new StanzaError('auth', 'forbidden', 'no reader')
  },
  authorizePublish({ bare }) {
    if (!ROLES[bare]?.includes('collector')) throw new StanzaError('auth', 'forbidden', 'no collector')
  },
  visibleScopes(bareJid) {
    const scopes = SCOPES[bareJid] ?? []
    return scopes === 'all' ? 'all' : new Set(scopes)
  },
  preparePublish: () => prepared,
}

beforeEach(async () => {
  storage = openDirectStorage()
  sent = []
  ran = []
  prepared = { calls: [] }
  parts = pubsubParts(storage, { send: (_address, stanza) => sent.push(stanza) })
  seam = pubsubSeam(parts)
  seam.claim(claim)
  await seam.ensureNode('/n', { title: 'N', persistItems: true, maxItems: 'max' })
})
afterEach(() => storage.close())

async function ask(from: string, type: 'get' | 'set', content: string, ns = NS_PUBSUB): Promise<string> {
  const request = parsePubsub(type, parseFragment(`<pubsub xmlns="${ns}">${content}</pubsub>`), parts.config())
  const answer = await perform(parts, askerOf(parts.accounts, parseJid(`${from}/r`), 'pubsub.test'), request)
  return answer ? serialize(answer) : ''
}
const refusedAs = (condition: string) => ({ condition })
const publish = (id: string, from = 'alice@test') =>
  ask(from, 'set', `<publish node="/n"><item id="${id}"><p xmlns="urn:p">${id}</p></item></publish>`)
const recipients = () => sent.map(({ to }) => to.bare)

test.each(['alice@test', 'root@test'])(
  'nobody owns a claimed node, %s neither, whether or not it is there',
  async (from) => {
    for (const node of ['/n', '/not-there']) {
      const form = '<x xmlns="jabber:x:data" type="submit"/>'
      await expect(ask(from, 'set', `<create node="${node}"/>`)).rejects.toMatchObject(refusedAs('not-allowed'))
      for (const [type, content] of [
        ['set', `<delete node="${node}"/>`],
        ['set', `<purge node="${node}"/>`],
        ['set', `<configure node="${node}">${form}</configure>`],
        ['get', `<configure node="${node}"/>`],
        ['get', `<affiliations node="${node}"/>`],
        ['set', `<affiliations node="${node}"><affiliation jid="x@test" affiliation="owner"/></affiliations>`],
        ['get', `<subscriptions node="${node}"/>`],
        ['set', `<subscriptions node="${node}"><subscription jid="x@test" subscription="subscribed"/></subscriptions>`],
      ] as const) {
        await expect(ask(from, type, content, NS_PUBSUB_OWNER)).rejects.toMatchObject(refusedAs('not-allowed'))
      }
      await expect(ask(from, 'set', `<retract node="${node}"><item id="1"/></retract>`)).rejects.toMatchObject(
        refusedAs('not-allowed'),
      )
    }
  },
)

describe('publishing', () => {
  test('is for whom the claimer lets, of what it prepares, applied before anybody is notified', async () => {
    await ask('all@test', 'set', '<subscribe node="/n" jid="all@test"/>')
    prepared = {
      calls: [call(note, { text: 'first', scope: 'e1' }), call(note, { text: 'second' })],
      applied: (results) => ran.push(`${results.join()} with ${sent.length} sent`),
    }
    await expect(publish('1', 'all@test')).rejects.toMatchObject({ condition: 'forbidden', message: 'no collector' })
    expect(await publish('1')).toContain('<item id="1"/>')
    expect(ran).toEqual(['first,second with 0 sent'])
    expect(recipients()).toEqual(['all@test'])
  })

  test('without a payload is refused before the claimer is asked', async () => {
    await expect(ask('alice@test', 'set', '<publish node="/n"/>')).rejects.toMatchObject(refusedAs('bad-request'))
  })

  test('refused by the claimer stores and tells nothing; it says what that means', async () => {
    await ask('all@test', 'set', '<subscribe node="/n" jid="all@test"/>')
    const refusals: string[] = []
    const refuseWith = (meaning: 'acknowledge' | StanzaError | undefined) => {
      prepared = {
        calls: [call(note, { text: '', refuse: 'test.no' })],
        applied: () => ran.push('applied'),
        refused: ({ key }) => {
          refusals.push(key)
          return meaning ?? new StanzaError('cancel', 'conflict')
        },
      }
    }
    refuseWith('acknowledge')
    expect(await publish('1')).toContain('<item id="1"/>')
    refuseWith(undefined)
    await expect(publish('1')).rejects.toMatchObject(refusedAs('conflict'))
    prepared = { calls: [call(note, { text: '', refuse: 'test.no' })] }
    await expect(publish('1')).rejects.toBeInstanceOf(Refusal)
    expect([refusals, ran, recipients()]).toEqual([['test.no', 'test.no'], [], []])
    expect(await ask('all@test', 'get', '<items node="/n"/>')).toBe(
      `<pubsub xmlns="${NS_PUBSUB}"><items node="/n"/></pubsub>`,
    )
  })

  test("pubsub's own refusal is not the claimer's to explain", async () => {
    prepared = { calls: [], refused: () => 'acknowledge' }
    const request = '<publish node="/gone"><item><p xmlns="urn:p"/></item></publish>'
    await expect(ask('alice@test', 'set', request)).rejects.toMatchObject(refusedAs('item-not-found'))
  })
})

test('nothing is attached to what other modules keep', async () => {
  await publish('1')
  const node = 'urn:xmpp:pubsub-attachments:1/xmpp:pubsub.test?;node=%2Fn;item=1'
  const attachments = '<attachments xmlns="urn:xmpp:pubsub-attachments:1"/>'
  for (const from of ['alice@test', 'all@test', 'root@test']) {
    const request = `<publish node="${node}"><item id="${from}">${attachments}</item></publish>`
    await expect(ask(from, 'set', request)).rejects.toMatchObject(refusedAs('item-not-found'))
  }
})

describe('items with a scope', () => {
  beforeEach(async () => {
    for (const [id, scope] of [
      ['1', 'e1'],
      ['2', 'e2'],
      ['3', undefined],
    ] as const) {
      prepared = { calls: [call(note, scope ? { text: id, scope } : { text: id })] }
      await publish(id)
    }
  })
  const idsIn = (text: string) => [...text.matchAll(/<item id="(\d)"/g)].map(([, id]) => id)

  test('are retrieved, counted and listed by what the asker sees', async () => {
    const rsm = '<set xmlns="http://jabber.org/protocol/rsm"/>'
    const all = await ask('all@test', 'get', `<items node="/n"/>${rsm}`)
    expect([idsIn(all), all]).toEqual([['1', '2', '3'], expect.stringContaining('<count>3</count>')])
    const one = await ask('one@test', 'get', `<items node="/n"/>${rsm}`)
    expect([idsIn(one), one]).toEqual([['1', '3'], expect.stringContaining('<count>2</count>')])
    expect(idsIn(await ask('one@test', 'get', '<items node="/n"><item id="2"/><item id="3"/></items>'))).toEqual(['3'])
    const to = parseJid('pubsub.test')
    const listed = await listItems(parts, {
      to,
      asker: parseJid('one@test/r'),
      node: '/n',
      page: undefined,
      payload: el('query'),
    })
    expect(listed).toMatchObject({ count: 2, items: [{ jid: 'pubsub.test', name: '1' }, { name: '3' }] })
    await expect(ask('none@test', 'get', '<items node="/n"/>')).rejects.toMatchObject(refusedAs('forbidden'))
  })

  test('are told to whom they concern, by the grants of that moment', async () => {
    await ask('all@test', 'set', '<subscribe node="/n" jid="all@test"/>')
    await ask('one@test', 'set', '<subscribe node="/n" jid="one@test/r"/>')
    for (const [scope, expected] of [
      ['e1', ['all@test', 'one@test']],
      ['e2', ['all@test']],
      [undefined, ['all@test', 'one@test']],
    ] as const) {
      sent = []
      await seam.publish('/n', 'x', parseFragment('<p xmlns="urn:p"/>'), scope)
      expect(recipients()).toEqual(expected)
    }
    sent = []
    await seam.retract('/n', '2')
    expect(recipients()).toEqual(['all@test'])
  })

  test('are not delivered from what was kept to who may not see them any more', () => {
    const xml = (item: string) =>
      `<message><event xmlns="${NS_PUBSUB_EVENT}"><items node="/n">${item}</items></event></message>`
    // As much of a session as is looked at.
    const session = { bareJid: 'one@test' } as SessionHandle
    const delivers = (owner: string, scope: string | undefined, group: string | undefined, item = '<item id="1"/>') =>
      reviewKept(parts, { owner, sender: 'pubsub.test', group, scope, storedAt: 0, xml: xml(item) }, session)
    expect(delivers('one@test', 'e1', '/n')).toBe(true)
    expect(delivers('one@test', undefined, '/n')).toBe(true)
    expect(delivers('one@test', 'e2', '/n')).toBe(false)
    expect(delivers('one@test', 'e2', '/n', '<retract id="1"/>')).toBe(false)
    expect(delivers('none@test', undefined, '/n')).toBe(false)
    // What a client never acknowledged has lost its scope.
    expect(delivers('one@test', undefined, undefined)).toBe(false)
    expect(delivers('all@test', undefined, undefined)).toBe(true)
  })

  test('are not listed for those who may do nothing at the node', async () => {
    const to = parseJid('test')
    const nodesOf = async (asker: string) =>
      (await listItems(parts, { to, asker: parseJid(asker), node: undefined, page: undefined, payload: el('query') }))
        ?.items
    expect(await nodesOf('none@test')).toEqual([])
    expect(await nodesOf('alice@test')).toEqual([{ jid: 'test', node: '/n', name: 'N' }])
    const formsFor = (asker: string) => nodeInfo(parts, { to, asker: parseJid(asker), node: '/n' })?.forms
    expect(formsFor('none@test')).toEqual([])
    expect(formsFor('one@test')).toMatchObject([
      { fields: expect.arrayContaining([{ name: 'pubsub#type', type: 'text-single', values: ['urn:p'] }]) },
    ])
  })
})

test('the seam tells who is subscribed and which nodes there are', async () => {
  expect(seam.hasNode('/n')).toBe(true)
  expect(seam.hasNode('/m')).toBe(false)
  expect(seam.isSubscribed('one@test', '/n')).toBe(false)
  await ask('one@test', 'set', '<subscribe node="/n" jid="one@test/r"/>')
  expect(seam.isSubscribed('one@test', '/n')).toBe(true)
  await seam.ensureNode('/n', { title: 'M', persistItems: true, maxItems: 1 })
  expect(seam.isSubscribed('one@test', '/n')).toBe(true)
  expect(await seam.publish('/n', undefined, parseFragment('<p xmlns="urn:p"/>'))).toMatch(/^[0-9a-f-]{36}$/)
})

/** Requests in, outcomes out: what each element means, and what is refused before anybody acts. XEP-0060 §17. */

import { describe, expect, test } from 'vitest'
import {
  renderAffiliations,
  renderConfig,
  renderCreated,
  renderDefault,
  renderEvent,
  renderItems,
  renderOwnerAffiliations,
  renderOwnerSubscriptions,
  renderPublished,
  renderSubscription,
  renderSubscriptions,
} from '../../../modules/pubsub/answer-xml.ts'
import { configForm, defaultConfig, NODE_CONFIG_FORM } from '../../../modules/pubsub/node-config.ts'
import { PUBLICATION_ORDER } from '../../../modules/pubsub/order.ts'
import { SHARED_SERVICE, type SubscriptionRecord } from '../../../modules/pubsub/records.ts'
import { DEFAULT_OPTIONS } from '../../../modules/pubsub/subscription-options.ts'
import { NS_PUBSUB, NS_PUBSUB_OWNER, parsePubsub, payloadOf } from '../../../modules/pubsub/xml.ts'
import { StanzaError } from '../../../server/stanza/errors.ts'
import { childElements } from '../../../server/xml/element.ts'
import { parseFragment } from '../../../server/xml/parser.ts'
import { serialize } from '../../../server/xml/serialize.ts'

const BOUNDS = { itemsMax: 100, childrenMax: 100, payloadMaxBytes: 1_000 }
const read = (type: 'get' | 'set', content: string, ns = NS_PUBSUB) =>
  parsePubsub(type, parseFragment(`<pubsub xmlns="${ns}">${content}</pubsub>`), BOUNDS)
const owner = (type: 'get' | 'set', content: string) => read(type, content, NS_PUBSUB_OWNER)
const submit = (fields: string, type = 'submit') =>
  `<x xmlns="jabber:x:data" type="${type}"><field var="FORM_TYPE" type="hidden"><value>${NODE_CONFIG_FORM}</value></field>${fields}</x>`

function refusal(run: () => unknown): readonly [string, string | undefined] {
  try {
    run()
  } catch (error) {
    if (error instanceof StanzaError) return [error.condition, error.application[0]?.getName()]
    throw error
  }
  throw new Error('not refused')
}

describe('requests', () => {
  test('of entities and subscribers', () => {
    expect(read('get', '<subscriptions/>')).toEqual({ kind: 'subscriptions', nodeId: undefined })
    expect(read('get', '<affiliations node="n"/>')).toEqual({ kind: 'affiliations', nodeId: 'n' })
    expect(read('set', '<subscribe node="n" jid="A@TEST/r"/>')).toMatchObject({
      kind: 'subscribe',
      nodeId: 'n',
      jid: { full: 'a@test/r', bare: 'a@test' },
    })
    expect(read('set', '<unsubscribe node="n" jid="a@test" subid="x"/>')).toMatchObject({ kind: 'unsubscribe' })
    expect(
      read('get', '<items node="n" max_items="3"/><set xmlns="http://jabber.org/protocol/rsm"><max>2</max></set>'),
    ).toEqual({ kind: 'items', nodeId: 'n', itemIds: [], maxItems: 3, page: { max: 2 }, order: PUBLICATION_ORDER })
    expect(read('get', '<items node="n"><item id="1"/><item id="2"/></items>')).toMatchObject({ itemIds: ['1', '2'] })
  })

  test('of publishers', () => {
    const published = read('set', '<publish node="n"><item id="1"><p xmlns="urn:p"/></item></publish>')
    expect(published).toMatchObject({ kind: 'publish', hasItem: true, itemId: '1', payload: { ns: 'urn:p' } })
    expect(read('set', '<publish node="n"/>')).toMatchObject({ hasItem: false, itemId: undefined, payload: undefined })
    expect(read('set', '<publish node="n"><item/></publish>')).toMatchObject({ hasItem: true, itemId: undefined })
    expect(read('set', '<retract node="n" notify="1"><item id="1"/></retract>')).toEqual({
      kind: 'retract',
      nodeId: 'n',
      itemId: '1',
      notify: true,
    })
  })

  test('a subscription without a node is one to the root', () => {
    for (const node of ['', ' node=""']) {
      expect(read('set', `<subscribe${node} jid="a@test"/>`)).toMatchObject({ kind: 'subscribe', nodeId: '' })
      expect(read('get', `<options${node} jid="a@test"/>`)).toMatchObject({ kind: 'getOptions', nodeId: '' })
    }
  })

  test('of owners', () => {
    expect(read('set', '<create/>')).toEqual({
      kind: 'create',
      nodeId: undefined,
      submitted: { changes: {}, links: {}, relationships: {} },
    })
    expect(read('set', '<create node="n"/><configure/>')).toMatchObject({ nodeId: 'n', submitted: { changes: {} } })
    const configured = `<create node="n"/><configure>${submit('<field var="pubsub#title"><value>T</value></field>')}</configure>`
    expect(read('set', configured)).toMatchObject({
      submitted: { changes: { title: 'T' }, links: {}, relationships: {} },
    })
    expect(owner('set', `<configure node="n">${submit('', 'cancel')}</configure>`)).toEqual({
      kind: 'configure',
      nodeId: 'n',
      submitted: undefined,
    })
    expect(owner('get', '<configure node="n"/>')).toEqual({ kind: 'getConfig', nodeId: 'n' })
    expect(owner('get', '<default type="leaf"/>')).toEqual({ kind: 'getDefault', nodeType: 'leaf' })
    expect(owner('get', '<default type="collection"/>')).toEqual({ kind: 'getDefault', nodeType: 'collection' })
    for (const kind of ['associate', 'dissociate'])
      expect(owner('set', `<collection node="c"><${kind} node="n"/></collection>`)).toEqual({
        kind,
        nodeId: 'c',
        child: 'n',
      })
    expect(owner('set', '<delete node="n"><redirect uri="xmpp:x"/></delete>')).toMatchObject({ redirect: 'xmpp:x' })
    expect(owner('set', '<purge node="n"/>')).toEqual({ kind: 'purge', nodeId: 'n' })
    expect(
      owner(
        'set',
        '<affiliations node="n"><affiliation jid="a@test/r" affiliation="member"/><affiliation jid="b@test"/></affiliations>',
      ),
    ).toMatchObject({ changes: [{ bareJid: 'a@test', affiliation: 'member' }] })
    expect(
      owner('set', '<subscriptions node="n"><subscription jid="a@test" subscription="pending"/></subscriptions>'),
    ).toMatchObject({ changes: [{ jid: { full: 'a@test' }, state: 'pending' }] })
  })

  test.each([
    ['set', '', 'bad-request', undefined],
    ['set', '<dance/>', 'bad-request', undefined],
    ['get', '<publish node="n"/>', 'bad-request', undefined],
    ['set', '<configure/><create node="n"/>', 'bad-request', undefined],
    ['set', '<create node="n"/><configure node="n"/>', 'bad-request', undefined],
    ['set', `<create node="${'x'.repeat(1_024)}"/>`, 'bad-request', undefined],
    ['set', '<subscribe node="n"/>', 'bad-request', 'invalid-jid'],
    ['set', '<subscribe node="n" jid="@"/>', 'bad-request', 'invalid-jid'],
    ['set', '<subscribe node="n" jid="a@test"/><options node="n"/>', 'bad-request', undefined],
    ['get', '<options node="n"/>', 'bad-request', 'jid-required'],
    ['set', '<options node="n" jid="a@test"/>', 'bad-request', undefined],
    ['set', '<unsubscribe node="n"/>', 'bad-request', 'jid-required'],
    ['get', '<items node="n" max_items="-1"/>', 'bad-request', undefined],
    ['get', '<items node="n"><item/></items>', 'bad-request', 'item-required'],
    ['set', '<publish node="n"><item/><item/></publish>', 'bad-request', undefined],
    ['set', '<publish node="n"><item><a/><b/></item></publish>', 'bad-request', 'invalid-payload'],
    ['set', '<publish node="n"><item>text</item></publish>', 'bad-request', 'invalid-payload'],
    ['set', '<publish node="n"/><publish-options/>', 'bad-request', undefined],
    ['set', '<retract><item id="1"/></retract>', 'bad-request', 'nodeid-required'],
    ['set', '<retract node="n"/>', 'bad-request', 'item-required'],
    ['set', '<retract node="n"><item/></retract>', 'bad-request', 'item-required'],
  ] as const)('%s %s', (type, content, condition, application) => {
    expect(refusal(() => read(type, content))).toEqual([condition, application])
  })

  test.each([
    ['get', '<configure/>', 'bad-request', 'nodeid-required'],
    ['set', '<delete/>', 'not-allowed', undefined],
    ['set', '<configure node="n"/>', 'bad-request', undefined],
    ['set', `<configure node="n">${submit('', 'result')}</configure>`, 'bad-request', undefined],
    ['set', '<collection node="c"><associate node="m"/><associate node="n"/></collection>', 'bad-request', undefined],
    [
      'set',
      '<affiliations node="n"><affiliation jid="a@test"/><affiliation jid="a@test/x"/></affiliations>',
      'bad-request',
      undefined,
    ],
    ['set', '<purge node="n"/><delete node="n"/>', 'bad-request', undefined],
    ['get', '<delete node="n"/>', 'bad-request', undefined],
  ] as const)('owner: %s %s', (type, content, condition, application) => {
    expect(refusal(() => owner(type, content))).toEqual([condition, application])
  })
})

describe('payloads stand on their own', () => {
  const stored = (payload: string, around = '') => {
    const item = parseFragment(`<item xmlns="${NS_PUBSUB}"${around}>${payload}</item>`)
    const [element] = childElements(item)
    if (!element) throw new Error('no payload')
    return payloadOf(element).xml
  }

  test('a prefix declared outside is declared again', () => {
    const xml = stored('<e:p e:a="1"><e:q/></e:p>', ' xmlns:e="urn:e"')
    expect(xml).toBe('<e:p xmlns="http://jabber.org/protocol/pubsub" e:a="1" xmlns:e="urn:e"><e:q/></e:p>')
  })

  test('a default namespace inherited, and none at all', () => {
    expect(stored('<p/>')).toBe(`<p xmlns="${NS_PUBSUB}"/>`)
    expect(stored('<p xmlns=""/>')).toBe('<p xmlns=""/>')
  })

  test('and come back as they were, in an answer and in an event', () => {
    const payload = stored('<p xmlns="urn:p" a="&lt;&quot;">x &amp; <b xmlns="urn:b">y</b></p>')
    const item = { itemId: '1', publisher: 'a@test', publishedAt: 0, payload }
    for (const element of [
      renderItems('n', [item], (publisher) => publisher, undefined),
      renderEvent({ kind: 'items', nodeId: 'n', items: [{ itemId: '1', publisher: 'a@test', payload }] }),
    ]) {
      const text = serialize(element)
      expect(text).toContain(`<item id="1" publisher="a@test">${payload}</item>`)
      expect(serialize(parseFragment(text))).toBe(text)
    }
  })
})

describe('outcomes', () => {
  const node = { service: SHARED_SERVICE, nodeId: 'n' }
  const subscription: SubscriptionRecord = {
    ...node,
    jid: 'a@test/r',
    bareJid: 'a@test',
    address: 'test',
    subid: 's',
    state: 'subscribed',
    isPublic: false,
    options: DEFAULT_OPTIONS,
  }
  const affiliation = { ...node, bareJid: 'a@test', affiliation: 'member' as const }
  const page = { items: [], count: 9, index: 0, first: '1', last: '2' }
  const inPubsub = (content: string) => `<pubsub xmlns="${NS_PUBSUB}">${content}</pubsub>`
  const inOwner = (content: string) => `<pubsub xmlns="${NS_PUBSUB_OWNER}">${content}</pubsub>`

  test.each([
    [
      renderSubscription(subscription, true),
      inPubsub('<subscription node="n" jid="a@test/r" subid="s" subscription="none"/>'),
    ],
    [
      renderSubscriptions(undefined, [subscription]),
      inPubsub(
        '<subscriptions><subscription node="n" jid="a@test/r" subid="s" subscription="subscribed"/></subscriptions>',
      ),
    ],
    [renderSubscriptions('n', []), inPubsub('<subscriptions node="n"/>')],
    [
      renderAffiliations(undefined, [affiliation]),
      inPubsub('<affiliations><affiliation node="n" affiliation="member"/></affiliations>'),
    ],
    [
      renderOwnerAffiliations('n', [affiliation]),
      inOwner('<affiliations node="n"><affiliation jid="a@test" affiliation="member"/></affiliations>'),
    ],
    [
      renderOwnerSubscriptions('n', [{ jid: 'a@test', state: 'none' }]),
      inOwner('<subscriptions node="n"><subscription jid="a@test" subscription="none"/></subscriptions>'),
    ],
    [renderPublished('n', '1'), inPubsub('<publish node="n"><item id="1"/></publish>')],
    [renderPublished('n', undefined), inPubsub('<publish node="n"/>')],
    [renderCreated('n'), inPubsub('<create node="n"/>')],
    [
      renderItems('n', [], () => undefined, page),
      inPubsub(
        '<items node="n"/><set xmlns="http://jabber.org/protocol/rsm"><first index="0">1</first><last>2</last><count>9</count></set>',
      ),
    ],
  ])('%s', (element, text) => {
    expect(serialize(element, '')).toBe(text)
  })

  test('the configuration form is a form of its type', () => {
    const form = configForm(defaultConfig(BOUNDS))
    for (const element of [renderConfig('n', form), renderDefault(form)]) {
      expect(serialize(element, '')).toContain(`<value>${NODE_CONFIG_FORM}</value>`)
    }
  })

  const EVENT = '<event xmlns="http://jabber.org/protocol/pubsub#event">'
  test.each([
    [
      { kind: 'items', nodeId: 'n', items: [{ itemId: undefined, publisher: undefined, payload: undefined }] },
      '<items node="n"/>',
    ],
    [
      {
        kind: 'items',
        nodeId: 'n',
        items: ['1', '2'].map((itemId) => ({ itemId, publisher: undefined, payload: undefined })),
      },
      '<items node="n"><item id="1"/><item id="2"/></items>',
    ],
    [
      { kind: 'retract', nodeId: 'n', itemIds: ['1', '2'] },
      '<items node="n"><retract id="1"/><retract id="2"/></items>',
    ],
    [{ kind: 'purge', nodeId: 'n' }, '<purge node="n"/>'],
    [{ kind: 'delete', nodeId: 'n', redirect: undefined }, '<delete node="n"/>'],
    [{ kind: 'delete', nodeId: 'n', redirect: 'xmpp:x' }, '<delete node="n"><redirect uri="xmpp:x"/></delete>'],
    [{ kind: 'configuration', nodeId: 'n', form: undefined }, '<configuration node="n"/>'],
    [
      { kind: 'subscription', nodeId: 'n', jid: 'a@test', subid: 's', state: 'none' },
      '<subscription node="n" jid="a@test" subid="s" subscription="none"/>',
    ],
  ] as const)('event %j', (event, content) => {
    expect(serialize(renderEvent(event), '')).toBe(`${EVENT}${content}</event>`)
  })
})

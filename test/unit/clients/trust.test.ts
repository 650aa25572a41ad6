/** Whom components believe: requests from the integration service, events from where they subscribed, orders without programs. */

import { describe, expect, it } from 'vitest'
import { parseOrder } from '../../../clients/collector/order.ts'
import { EventRoutes, type PubsubEvent } from '../../../clients/core/pubsub.ts'
import { Topics } from '../../../clients/core/topics.ts'
import { parseOrder as parseEvaluateOrder } from '../../../clients/evaluator/order.ts'
import { renderAlive, renderCollect, renderEvaluate, renderTopicRequest } from '../../../modules/sacm/xml.ts'
import { el } from '../../../server/xml/element.ts'
import { parseFragment } from '../../../server/xml/parser.ts'

const NS = 'urn:sacm-xmpp:collection:0'

describe('directed requests', () => {
  const topics = new Topics({ request: async () => undefined })
  const from = (address: string, topic: string) => {
    const payload = renderTopicRequest({ topic, payload: el('x', { xmlns: 'y' }) })
    return topics.answer({ type: 'set', from: address, payload })
  }

  it('are taken from the integration service alone', async () => {
    await expect(from('sacm.test', '/c/collect')).rejects.toMatchObject({ condition: 'forbidden' })
    topics.service = 'sacm.test'
    await topics.handle('/c/collect', () => renderAlive())
    expect((await from('sacm.test', '/c/collect')).attrs['topic']).toBe('/c/collect')
    for (const address of ['mallory@test/sacm', 'sacm.test/x', 'test', 'pubsub.test', '']) {
      await expect(from(address, '/c/collect')).rejects.toMatchObject({ condition: 'forbidden' })
    }
    await expect(from('sacm.test', '/d/collect')).rejects.toMatchObject({ condition: 'item-not-found' })
  })
})

describe('events', () => {
  const event = (address: string, node: string, type?: string) =>
    parseFragment(
      `<message xmlns='jabber:client' from='${address}'${type ? ` type='${type}'` : ''}><event xmlns='http://jabber.org/protocol/pubsub#event'><items node='${node}'><item id='1'><x xmlns='y'/></item><retract id='0'/></items></event></message>`,
    )

  it('are taken from the address of the subscription alone', () => {
    const routes = new EventRoutes()
    const taken: PubsubEvent[] = []
    routes.add('pubsub.test', '/collection/system', (each) => taken.push(each))
    expect(routes.dispatch(event('mallory@test/x', '/collection/system'))).toBe(false)
    expect(routes.dispatch(event('test', '/collection/system'))).toBe(false)
    expect(routes.dispatch(event('pubsub.test', '/collection/oval'))).toBe(false)
    expect(routes.dispatch(event('pubsub.test', '/collection/system', 'error'))).toBe(false)
    expect(taken).toEqual([])
    expect(routes.dispatch(event('pubsub.test', '/collection/system'))).toBe(true)
    expect(taken[0]).toMatchObject({ nodeId: '/collection/system', items: [{ id: '1' }], retracted: ['0'] })
    routes.remove('pubsub.test', '/collection/system')
    expect(routes.dispatch(event('pubsub.test', '/collection/system'))).toBe(false)
  })
})

describe('orders to collect', () => {
  it('name attributes', () => {
    const order = renderCollect({ id: 'j', attributes: ['package.*', 'os.id'], responseTopic: '/orch-1/response' })
    expect(parseOrder(order, 'orch-1')).toMatchObject({ id: 'j', attributes: ['package.*', 'os.id'] })
  })

  it.each([
    [`<script>id</script>`, ''],
    [`<attribute name='os.id'><exec path='/bin/id'/></attribute>`, ''],
    ['', `command='/bin/id'`],
    ['', `path='/bin/id'`],
    [`<cmdlet_object xmlns='http://oval.mitre.org/XMLSchema/oval-definitions-5#windows' id='o' version='1'/>`, ''],
    [
      `<oval_definitions xmlns='http://oval.mitre.org/XMLSchema/oval-definitions-5'><objects><cmdlet_object xmlns='http://oval.mitre.org/XMLSchema/oval-definitions-5#windows'/></objects></oval_definitions>`,
      '',
    ],
    [`<check xmlns='http://checklists.nist.gov/xccdf/1.2' system='http://open-scap.org/page/SCE'/>`, ''],
  ])('OP-002: what names something to run is not acceptable: %s %s', (children, attributes) => {
    const order = parseFragment(`<collect xmlns='${NS}' id='j' ${attributes}>${children}</collect>`)
    expect(() => parseOrder(order, 'orch-1')).toThrow(expect.objectContaining({ condition: 'not-acceptable' }))
  })

  it.each([
    ['another element', `<observe xmlns='${NS}' id='j'/>`, 'feature-not-implemented'],
    ['content by reference', `<collect xmlns='${NS}' id='j'><content id='c'/></collect>`, 'feature-not-implemented'],
    ['no id', `<collect xmlns='${NS}'/>`, 'bad-request'],
    ["another's response topic", `<collect xmlns='${NS}' id='j' response-topic='/orch-2/response'/>`, 'forbidden'],
    ['a topic of its own choice', `<collect xmlns='${NS}' id='j' response-topic='/repository/policy'/>`, 'forbidden'],
  ])('refused with %s', (_, xml, condition) => {
    expect(() => parseOrder(parseFragment(xml), 'orch-1')).toThrow(expect.objectContaining({ condition }))
  })
})

describe('orders to evaluate', () => {
  it('go to the results or back to who asked', () => {
    const order = (responseTopic: string) => renderEvaluate({ id: 'j', policy: 'p', endpoints: ['e'], responseTopic })
    expect(parseEvaluateOrder(order('/repository/results'), 'orch-1')).toMatchObject({ policy: 'p', endpoints: ['e'] })
    expect(parseEvaluateOrder(order('/orch-1/response'), 'orch-1')).toMatchObject({ id: 'j' })
    expect(() => parseEvaluateOrder(order('/repository/posture'), 'orch-1')).toThrow(
      expect.objectContaining({ condition: 'forbidden' }),
    )
  })
})

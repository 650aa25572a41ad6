/** Requests of an account to its own server about its subscriptions, and what it is told. XEP-0376 §3.2 to §3.4. */

import { type Jid, tryParseJid } from '../../server/stanza/jid.ts'
import { attr, childElements, childOf, type Element, el } from '../../server/xml/element.ts'
import { parseFragment } from '../../server/xml/parser.ts'
import { pubsubError } from './errors.ts'
import { NS_PPS } from './public-names.ts'
import type { ElsewhereKey, ManagedSubscription } from './records.ts'
import { asksToBePublic, NS_PUBSUB, payloadOf } from './xml.ts'

export const NS_PAM = 'urn:xmpp:pam:0'

/** `<pam/>`: what is to be asked of which service. */
export interface ManagedRequest {
  readonly service: Jid
  readonly kind: 'subscribe' | 'unsubscribe'
  readonly nodeId: string
  readonly subid: string | undefined
  readonly isPublic: boolean
  /** As XEP-0060 has it, to be sent on. */
  readonly pubsub: Element
}

/**
 * Reads `<pam/>`. The service stands in `service` by the text of §3.2, and in `jid` by its examples; clients do as those.
 * @param account  whose clients ask: the only one who may be subscribed
 * @throws StanzaError bad-request, invalid-jid
 */
export function parseManaged(pam: Element, account: string): ManagedRequest {
  const [named, other] = [attr(pam, 'service'), attr(pam, 'jid')]
  if (named !== undefined && other !== undefined && named !== other)
    throw pubsubError('malformed', '<pam/> names two services')
  const service = tryParseJid(named ?? other ?? '')
  if (service?.resource !== '') throw pubsubError('malformed', '<pam/> needs the bare JID of a service')
  const parts = childElements(pam).filter((child) => child.getNS() === NS_PUBSUB)
  const actions = parts.filter((part) => kindOf(part) !== undefined)
  const [action] = actions
  const kind = action && kindOf(action)
  if (!kind || actions.length > 1) throw pubsubError('malformed', '<pam/> takes one <subscribe/> or <unsubscribe/>')
  // §3.2: the server verifies that a client names its own bare JID.
  const jid = tryParseJid(attr(action, 'jid') ?? '')
  if (jid?.full !== account) throw pubsubError('invalidJid', 'the account subscribes by its own bare JID')
  const options = parts.filter((part) => part.getName() === 'options').map(plainOptions)
  const nodeId = attr(action, 'node') ?? ''
  const subid = attr(action, 'subid') || undefined
  const isPublic = asksToBePublic(action, options[0])
  return {
    service,
    kind,
    nodeId,
    subid,
    isPublic,
    pubsub: el('pubsub', { xmlns: NS_PUBSUB }, whole(action), ...options),
  }
}

/** What a service answers to `<subscribe/>`; one that says nothing of the state has subscribed. XEP-0060 §6.1.2 */
export function readAnswer(jid: string, request: ManagedRequest, pubsub: Element | undefined): ManagedSubscription {
  const answer = pubsub && childOf(pubsub, 'subscription', NS_PUBSUB)
  const { service, nodeId, isPublic } = request
  const told = answer && { subid: attr(answer, 'subid') || undefined, state: attr(answer, 'subscription') }
  const state = told?.state === 'pending' || told?.state === 'unconfigured' ? told.state : 'subscribed'
  return {
    service: service.full,
    nodeId: (answer && attr(answer, 'node')) || nodeId,
    jid,
    subid: told?.subid,
    state,
    isPublic,
  }
}

/** What a service's event says of an account's subscription: its state, or that it is over. XEP-0060 §8.4.2, §8.8.4 */
export function readEvent(
  service: string,
  account: string,
  event: Element,
): { readonly key: ElsewhereKey; readonly state: ManagedSubscription['state'] | undefined } | undefined {
  const nodeId = attr(event, 'node') ?? ''
  const key = { service, nodeId, jid: account, subid: attr(event, 'subid') || undefined }
  if (event.is('delete')) return { key: { ...key, subid: undefined }, state: undefined }
  if (!event.is('subscription') || attr(event, 'jid') !== account) return undefined
  const state = attr(event, 'subscription')
  if (state === 'none') return { key, state: undefined }
  return state === 'subscribed' || state === 'pending' || state === 'unconfigured' ? { key, state } : undefined
}

function kindOf(part: Element): ManagedRequest['kind'] | undefined {
  const name = part.getName()
  return name === 'subscribe' || name === 'unsubscribe' ? name : undefined
}

/** With every namespace that it uses declared on it, since what stood around it stays behind. */
function whole(element: Element): Element {
  return parseFragment(payloadOf(element).xml)
}

/** COMPAT(Libervia 0.9): the options name node and JID as those of a request of their own do; XEP-0060 §6.3.7 forbids it. */
function plainOptions(element: Element): Element {
  const options = whole(element)
  for (const name of ['node', 'jid']) delete options.attrs[name]
  return options
}

/** XEP-0060 §6.2.1 */
export function renderUnsubscribe({ nodeId: node, jid, subid }: ManagedSubscription): Element {
  return el('pubsub', { xmlns: NS_PUBSUB }, el('unsubscribe', { node: node || undefined, jid, subid }))
}

/** §3.4. */
export function renderManaged(version: string, list: readonly ManagedSubscription[]): Element {
  const entries = list.map((each) => el('subscription', { service: each.service, ...attributesOf(each) }, shown(each)))
  return el('subscriptions', { xmlns: NS_PAM, ver: version }, ...entries)
}

/** §3.2. @param isEnded  the subscription is no more */
export function renderNotice(version: string, subscription: ManagedSubscription, isEnded: boolean): Element {
  const attributes = { xmlns: NS_PUBSUB, ...attributesOf(subscription), ...(isEnded && { subscription: 'none' }) }
  const content = el('subscription', attributes, isEnded ? undefined : shown(subscription))
  return el('notify', { xmlns: NS_PAM, ver: version, service: subscription.service }, content)
}

function attributesOf({ nodeId, jid, subid, state }: ManagedSubscription) {
  return { node: nodeId || undefined, jid, subid, subscription: state }
}

/** Of ours: the account's clients see what others see. XEP-0465 says nothing of it. */
function shown({ isPublic }: ManagedSubscription): Element | undefined {
  return isPublic ? el('public', { xmlns: NS_PPS }) : undefined
}

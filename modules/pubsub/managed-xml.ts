/** Requests of an account to its own server about its subscriptions, and what it is told. XEP-0376 §3.2 to §3.4. */

import { type Jid, tryParseJid } from '../../server/stanza/jid.ts'
import { attr, childElements, type Element, el } from '../../server/xml/element.ts'
import { parseFragment } from '../../server/xml/parser.ts'
import { pubsubError } from './errors.ts'
import { NS_PPS } from './public-names.ts'
import { NS_PUBSUB, payloadOf } from './xml.ts'

export const NS_PAM = 'urn:xmpp:pam:0'

/** A subscription of an account, at whatever service. */
export interface ManagedSubscription {
  /** The service's JID. */
  readonly service: string
  /** Empty: the root. */
  readonly nodeId: string
  readonly jid: string
  readonly subid: string | undefined
  readonly state: 'subscribed' | 'pending' | 'unconfigured'
  readonly isPublic: boolean
}

/** `<pam/>`: what is to be asked of which service. */
export interface ManagedRequest {
  readonly service: Jid
  readonly kind: 'subscribe' | 'unsubscribe'
  readonly nodeId: string
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
  return { service, kind, nodeId, pubsub: el('pubsub', { xmlns: NS_PUBSUB }, whole(action), ...options) }
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

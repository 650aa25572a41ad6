/** Subscribe, unsubscribe, subscription options. XEP-0060 §6.1 to §6.4, §8.6. */

import { randomBytes } from 'node:crypto'
import type { Jid } from '../../server/stanza/jid.ts'
import type { Element } from '../../server/xml/element.ts'
import { renderDefaultOptions, renderOptions, renderSubscription } from './answer-xml.ts'
import { askOwners, parseApproval } from './approval.ts'
import { type Asker, freshen, nodeView, notifyEnded, notifyMade, type PubsubParts, run, tellOwners } from './context.ts'
import { pubsubError } from './errors.ts'
import { type NodeView, subscriberOf } from './replica.ts'
import type { RequestAnswered, Subscribed, SubscriptionRecord } from './store.ts'
import { DEFAULT_OPTIONS, optionsForm } from './subscription-options.ts'
import type { EntityRequest } from './xml.ts'

type Request<K extends EntityRequest['kind']> = Extract<EntityRequest, { kind: K }>

/** §6.1.6: made by the service, unlike any other. */
export function newSubid(): string {
  return randomBytes(8).toString('hex')
}

/** §6.1. */
export async function subscribe(parts: PubsubParts, asker: Asker, request: Request<'subscribe'>): Promise<Element> {
  const { nodeId, jid, options } = request
  if (jid.bare !== asker.jid.bare) throw pubsubError('invalidJid', 'only for your own account') // §6.1.3.1
  const { actor, address, service } = asker
  const claim = parts.claims.of({ service, nodeId })
  claim?.authorizeSubscribe(asker.jid, nodeId)
  const { subscriptionsPerNodeMax: perNodeMax, subscriptionsPerAccountMax: perAccountMax } = parts.config()
  const bounds = { perNodeMax, perAccountMax, leaseMaxMs: leaseMaxMs(parts) }
  const isAuthorized = claim !== undefined
  const { subscription } = await run(
    parts,
    parts.store.subscribe,
    { service, nodeId, actor, jid: jid.full, address, subid: newSubid(), options, isAuthorized, ...bounds },
    (result) => applySubscribed(parts, result),
  )
  // §6.3.7: the resulting options with the answer
  return renderSubscription(subscription, false, options && optionsForm('result', subscription.options))
}

function leaseMaxMs(parts: PubsubParts): number {
  return parts.config().leaseMaxSeconds * 1000
}

function applySubscribed(parts: PubsubParts, { subscription, isNew }: Subscribed): void {
  parts.replica.subscribed(subscription)
  const node = parts.replica.get(subscription)
  if (!node || !isNew) return
  if (subscription.state === 'pending') {
    askOwners(parts, node, subscription)
    return
  }
  tellOwners(parts, node, subscription, 'subscribed')
  applyNewcomer(parts, node, subscription)
}

/** A subscription that began just now, with or without an owner's help: the last item, where the node is so configured. */
export function applyNewcomer(parts: PubsubParts, node: NodeView, subscription: SubscriptionRecord): void {
  if (node.record.config.sendLastItem === 'never' || !node.record.config.persistItems) return
  // §6.1.7: after the answer to the request, which goes out in this turn of the loop.
  setImmediate(() => {
    void sendLastItem(parts, subscription)
  })
}

/** Somebody came online: the last item of each node that tells it then, to that resource alone. §4.3 */
export async function sendLastItems(parts: PubsubParts, to: Jid): Promise<void> {
  for (const subscription of parts.replica.subscriptionsOf(to.bare, 'everywhere')) {
    const config = parts.replica.get(subscription)?.record.config
    const isFor = subscription.jid === to.bare || subscription.jid === to.full
    if (isFor && config?.sendLastItem === 'on_sub_and_presence' && config.persistItems && config.deliverNotifications)
      await sendLastItem(parts, subscription, to)
  }
}

async function sendLastItem(parts: PubsubParts, subscription: SubscriptionRecord, to?: Jid): Promise<void> {
  try {
    await readAndSend(parts, subscription, to)
  } catch (error) {
    parts.log.warn({ what: 'last_item_not_sent', node: subscription.nodeId, error: String(error) })
  }
}

async function readAndSend(parts: PubsubParts, subscription: SubscriptionRecord, to: Jid | undefined): Promise<void> {
  const { service, nodeId, jid, bareJid, subid } = subscription
  const visible = parts.claims.visible(bareJid, subscription)
  const before = parts.replica.get(subscription)
  if (visible.length === 0 || !before) return
  await freshen(parts, before)
  const end = { at: 'end' } as const
  const last = { service, nodeId, visible, start: end, indexMax: 0, max: 1, maxChars: 0, withPayloads: true }
  const [item] = (await parts.storage.run(parts.store.readPage, last)).items
  const node = parts.replica.get(subscription)
  const now = node?.subscribers.get(jid)?.subscriptions.find((each) => each.subid === subid)
  if (!node || !now || !item) return
  const subscriber = subscriberOf(now)
  parts.notifier.lastItem(node, to ? { ...subscriber, to } : subscriber, item)
}

/** §6.2. */
export async function unsubscribe(parts: PubsubParts, asker: Asker, request: Request<'unsubscribe'>): Promise<Element> {
  const { nodeId, jid, subid } = request
  if (jid.bare !== asker.jid.bare) throw pubsubError('notYourSubscription') // §6.2.3.3
  const ended = await run(
    parts,
    parts.store.unsubscribe,
    { service: asker.service, nodeId, jid: jid.full, subid },
    (result) => parts.replica.unsubscribed(result),
  )
  // §13.14: for the account's other resources; after the answer.
  const node = parts.replica.get(ended)
  if (node)
    setImmediate(() => {
      notifyEnded(parts, node, [ended])
      tellOwners(parts, node, ended, 'none')
    })
  return renderSubscription(ended, true)
}

/** §6.3.2. */
export function getOptions(parts: PubsubParts, asker: Asker, request: Request<'getOptions'>): Element {
  const subscription = ownSubscription(parts, asker, request)
  return renderOptions(subscription, optionsForm('form', subscription.options))
}

/** From memory, by the same rules as the store's. §6.3.4 */
function ownSubscription(
  parts: PubsubParts,
  { jid: asker, actor, service }: Asker,
  { nodeId, jid, subid }: Request<'getOptions'>,
): SubscriptionRecord {
  if (jid.bare !== asker.bare && !actor.isAdmin) throw pubsubError('notYourSubscription') // §6.3.4.1
  const node = nodeView(parts, { service, nodeId })
  const request = node.pending.get(jid.full)
  const all = [...(node.subscribers.get(jid.full)?.subscriptions ?? []), ...(request ? [request] : [])]
  const [first] = all
  if (!first) throw pubsubError('notSubscribed')
  if (subid === undefined && all.length > 1) throw pubsubError('subidRequired')
  const meant = subid === undefined ? first : all.find((each) => each.subid === subid)
  if (!meant) throw pubsubError('invalidSubid')
  return meant
}

/** §6.3.5. */
export async function setOptions(parts: PubsubParts, asker: Asker, request: Request<'setOptions'>): Promise<undefined> {
  const { nodeId, jid, subid, changes = {} } = request
  if (jid.bare !== asker.jid.bare && !asker.actor.isAdmin) throw pubsubError('notYourSubscription')
  const args = { service: asker.service, nodeId, jid: jid.full, subid, changes, leaseMaxMs: leaseMaxMs(parts) }
  await run(parts, parts.store.setOptions, args, (result) => parts.replica.subscribed(result))
}

/** §6.4: the same at every node. */
export function getDefaultOptions(
  parts: PubsubParts,
  { service }: Asker,
  { nodeId }: Request<'getDefaultOptions'>,
): Element {
  if (nodeId !== undefined) nodeView(parts, { service, nodeId })
  return renderDefaultOptions(nodeId, optionsForm('form', DEFAULT_OPTIONS))
}

/**
 * An owner's message with a filled-in approval form; any other form is none of ours.
 * @throws StanzaError when the sender owns no such node, or nothing is pending there (any more)
 * §8.6.
 */
export async function answerRequest(parts: PubsubParts, { actor, service }: Asker, x: Element): Promise<void> {
  const answer = parseApproval(x)
  if (!answer) return
  const { nodeId, jid, subid, isAllowed } = answer
  parts.claims.refuseOwner({ service, nodeId })
  const args = { service, nodeId, actor, jid: jid.full, subid, isAllowed }
  await run(parts, parts.store.answerRequest, args, (result) => applyAnswered(parts, result))
}

function applyAnswered(parts: PubsubParts, { subscription, isAllowed }: RequestAnswered): void {
  if (isAllowed) parts.replica.subscribed(subscription)
  else parts.replica.unsubscribed(subscription)
  const node = parts.replica.get(subscription)
  if (!node) return
  if (!isAllowed) {
    notifyEnded(parts, node, [subscription])
    return
  }
  notifyMade(parts, node, [subscription])
  applyNewcomer(parts, node, subscription)
}

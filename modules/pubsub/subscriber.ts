/** Subscribe, unsubscribe, subscription options. XEP-0060 §6.1 to §6.4, §8.6. */

import { randomBytes } from 'node:crypto'
import { call } from '../../server/module/api.ts'
import type { DataForm } from '../../server/stanza/forms.ts'
import type { Element } from '../../server/xml/element.ts'
import { reviewSoon } from './access.ts'
import { renderDefaultOptions, renderOptions, renderSubscription } from './answer-xml.ts'
import { askOwners, parseApproval } from './approval.ts'
import { canHaveBody } from './bodies.ts'
import { rootFor } from './collections.ts'
import { type Asker, nodeView, notifyEnded, notifyMade, type PubsubParts, run, tellOwners } from './context.ts'
import { asPubsubError, pubsubError } from './errors.ts'
import { sendToNewcomer } from './last-item.ts'
import type { NodeView } from './node-view.ts'
import { ROOT_ID, type SubscriptionRecord } from './records.ts'
import type { EntityRequest } from './requests.ts'
import type { RequestAnswered, Subscribe, Subscribed } from './store.ts'
import { DEFAULT_OPTIONS, type Offers, optionsForm } from './subscription-options.ts'

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
  // XEP-0465 is about accounts; at which resource somebody is, is nobody's business.
  const isPublic = request.isPublic && jid.resource === ''
  const subscribed: Subscribe = {
    service,
    nodeId,
    actor,
    jid: jid.full,
    address,
    subid: newSubid(),
    options,
    isPublic,
    isAuthorized,
    ...bounds,
  }
  const { subscription } = await storeSubscription(parts, subscribed)
  // §6.3.7: the resulting options with the answer
  return renderSubscription(subscription, false, options && formOf(parts, 'result', subscription))
}

/** With the root of an account that nobody has followed before. */
async function storeSubscription(parts: PubsubParts, wanted: Subscribe): Promise<Subscribed> {
  const applied = (result: Subscribed) => applySubscribed(parts, result)
  const { subscribe: operation, ensureNode } = parts.store
  const { service, nodeId } = wanted
  if (nodeId !== ROOT_ID || parts.replica.rootOf(service)) return run(parts, operation, wanted, applied)
  const calls = [call(ensureNode, rootFor(parts, service)), call(operation, wanted)] as const
  try {
    const [, subscribed] = await parts.storage.submit(calls, ([root, result]) => {
      parts.replica.ensured(root)
      applied(result)
    })
    return subscribed
  } catch (error) {
    throw asPubsubError(error)
  }
}

function leaseMaxMs(parts: PubsubParts): number {
  return parts.config().leaseMaxSeconds * 1000
}

function applySubscribed(parts: PubsubParts, { subscription, isNew }: Subscribed): void {
  parts.replica.subscribed(subscription)
  const node = parts.replica.get(subscription)
  if (!node || !isNew) return
  reviewSoon(parts, node, subscription.bareJid)
  if (subscription.state === 'pending') {
    askOwners(parts, node, subscription)
    return
  }
  tellOwners(parts, node, subscription, 'subscribed')
  sendToNewcomer(parts, node, subscription)
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
  // §12.14: for the account's other resources; after the answer.
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
  return renderOptions(subscription, formOf(parts, 'form', subscription))
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
  if (!first) throw pubsubError('noSuchSubscriber')
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
  await run(parts, parts.store.setOptions, args, (result) => {
    parts.replica.subscribed(result)
    parts.notifier.changed(result)
  })
}

/** §6.4: the same at every node, but for what its payloads do not allow. */
export function getDefaultOptions(
  parts: PubsubParts,
  { service }: Asker,
  { nodeId }: Request<'getDefaultOptions'>,
): Element {
  const offers = nodeId === undefined ? OF_SERVICE : offersOf(nodeView(parts, { service, nodeId }))
  return renderDefaultOptions(nodeId, optionsForm('result', DEFAULT_OPTIONS, offers))
}

function formOf(parts: PubsubParts, type: 'form' | 'result', subscription: SubscriptionRecord): DataForm {
  const node = parts.replica.get(subscription)
  return optionsForm(type, subscription.options, node ? offersOf(node) : OF_SERVICE)
}

/** Of the service as a whole: leaf nodes of any kind. */
const OF_SERVICE: Offers = { hasBodies: true, isCollection: false }

function offersOf({ record: { config, seenType } }: NodeView): Offers {
  return { hasBodies: canHaveBody(config.type || seenType), isCollection: config.nodeType === 'collection' }
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
  sendToNewcomer(parts, node, subscription)
}

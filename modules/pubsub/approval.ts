/** Owners approve or deny subscription requests by a form. XEP-0060 §6.1.4, §8.6, §12.13, §16.4.1. */

import { field, parseForm, renderForm } from '../../server/stanza/forms.ts'
import { type Jid, parseJid, tryParseJid } from '../../server/stanza/jid.ts'
import type { Element } from '../../server/xml/element.ts'
import type { PubsubParts } from './context.ts'
import { pubsubError } from './errors.ts'
import type { NodeView } from './node-view.ts'
import type { SubscriptionRecord } from './records.ts'

export const AUTHORIZATION_FORM = 'http://jabber.org/protocol/pubsub#subscribe_authorization'

/** Asks every owner; the first answer holds. */
export function askOwners(parts: PubsubParts, node: NodeView, request: SubscriptionRecord): void {
  for (const [bareJid, affiliation] of node.affiliations)
    if (affiliation === 'owner') askOwner(parts, parseJid(bareJid), request)
}

/** One message per request, which may wait offline for its owner. §8.6 */
export function askOwner(parts: PubsubParts, owner: Jid, request: SubscriptionRecord): void {
  parts.notifier.toAccount(request.address, owner, renderApprovalForm(request))
}

function renderApprovalForm({ nodeId, jid, subid }: SubscriptionRecord): Element {
  return renderForm({
    type: 'form',
    formType: AUTHORIZATION_FORM,
    title: 'PubSub subscriber request',
    instructions: 'Allow this entity to subscribe, or refuse it. Cancel to decide later.',
    fields: [
      { name: 'pubsub#subid', type: 'hidden', values: [subid] },
      { name: 'pubsub#node', type: 'text-single', label: 'Node ID', values: [nodeId] },
      { name: 'pubsub#subscriber_jid', type: 'jid-single', label: 'Subscriber', values: [jid] },
      { name: 'pubsub#allow', type: 'boolean', label: 'Allow this JID to subscribe to this node?', values: ['0'] },
    ],
  })
}

export interface ApprovalAnswer {
  readonly nodeId: string
  readonly jid: Jid
  readonly subid: string | undefined
  readonly isAllowed: boolean
}

/**
 * Reads an owner's answer; undefined when the form is another one, or was cancelled: then the request stays pending.
 * @throws StanzaError bad-request when it does not say what is answered, or how
 */
export function parseApproval(x: Element): ApprovalAnswer | undefined {
  const form = parseForm(x)
  if (form.formType !== AUTHORIZATION_FORM || form.type === 'cancel') return undefined
  const valueAt = (name: string) => field(form, `pubsub#${name}`)?.values[0]
  const nodeId = valueAt('node')
  const jid = tryParseJid(valueAt('subscriber_jid') ?? '')
  const allow = valueAt('allow') ?? ''
  if (form.type !== 'submit' || !nodeId || !jid || !['0', '1', 'false', 'true'].includes(allow))
    throw pubsubError('malformed', 'the answer names the node, the subscriber, and whether it is allowed')
  return { nodeId, jid, subid: valueAt('subid'), isAllowed: allow === '1' || allow === 'true' }
}

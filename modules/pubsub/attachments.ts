/**
 * Attachments to items, and summaries of them: nodes that the service makes beside the node that they are about, and
 * where what one is at that node is what one is here. XEP-0470.
 */

import type { Element } from '../../server/xml/element.ts'
import { renderPublished } from './answer-xml.ts'
import { checkAttachments } from './attachment-counts.ts'
import { canonicalName, isAttachmentNode, isKept, isSummary, NS_ATTACHMENTS, NS_SUMMARY } from './attachment-names.ts'
import { itemAt, refuseReader } from './attachment-targets.ts'
import { type Asker, addressesOf, archivingOf, boundsOf, type PubsubParts, run } from './context.ts'
import { pubsubError } from './errors.ts'
import { defaultConfig, type NodeConfig } from './node-config.ts'
import { applyPublished } from './publisher.ts'
import { SHARED_SERVICE } from './records.ts'
import type { EntityRequest, PubsubRequest } from './requests.ts'
import type { SummaryChange } from './store.ts'

type Request<K extends EntityRequest['kind']> = Extract<EntityRequest, { kind: K }>

/** The request, with the one name that the node has. RFC 5122 §2.2: a URI may be written in several ways. */
export function withCanonicalName(parts: PubsubParts, service: string, request: PubsubRequest): PubsubRequest {
  if (!('nodeId' in request) || request.nodeId === undefined || !isAttachmentNode(request.nodeId)) return request
  return { ...request, nodeId: canonicalName(request.nodeId, addressesOf(parts, service)) }
}

/**
 * What nobody may ask of nodes that the service keeps, an owner neither; and who may not read what they are about is
 * told that, whether or not anything is attached there.
 * @throws StanzaError not-allowed, forbidden, or what mayRead says
 * §4.4, §4.6
 */
export function refuseKept(parts: PubsubParts, asker: Asker, request: PubsubRequest): void {
  if (!('nodeId' in request) || request.nodeId === undefined || !isKept(request.nodeId)) return
  const { nodeId, kind } = request
  if (kind === 'create') throw pubsubError('keptNode', 'the service makes it with the first attachment')
  if (isSummary(nodeId) && kind === 'publish') throw pubsubError('mayNotPublish', 'the service alone publishes there')
  if (isSummary(nodeId) && kind === 'retract') throw pubsubError('mayNotRetract', 'the service alone publishes there')
  // The storage worker decides, after all that the same client asked before.
  if (kind === 'publish' || kind === 'retract') return
  refuseReader(parts, asker, nodeId)
  if (kind === 'configure' || kind === 'setAffiliations')
    throw pubsubError('keptNode', 'it is as the node is that it is about')
  // One that is about nothing was made when such names were free: it may go.
  const isAbout = parts.replica.get({ service: asker.service, nodeId })?.target !== undefined
  if (isSummary(nodeId) && isAbout && (kind === 'delete' || kind === 'purge'))
    throw pubsubError('keptNode', 'it goes with what it is about')
}

/** §4.1, §4.3, §4.5: publish-options are ignored. */
export async function publishAttachment(
  parts: PubsubParts,
  asker: Asker,
  { nodeId, itemId, payload }: Request<'publish'>,
): Promise<Element> {
  const { service, actor, jid } = asker
  if (itemId !== actor.bareJid) throw pubsubError('invalidAttachment', `the item's id is your bare JID`)
  const config = parts.config()
  const attached = checkAttachments(payload?.element, config)
  const about = itemAt(parts, { service, nodeId })
  const xml = payload?.xml ?? ''
  const args = {
    service,
    nodeId,
    actor,
    about,
    payload: xml,
    attached,
    creator: addressesOf(parts, service)[0],
    attachmentsConfig: keptConfig(parts, service, NS_ATTACHMENTS, config.attachmentMaxBytes),
    summaryConfig: keptConfig(parts, service, NS_SUMMARY, config.payloadMaxBytes),
    attachmentsMax: config.attachmentsPerItemMax,
    attachedItemsMax: service === SHARED_SERVICE ? config.attachedItemsMax : config.accountAttachedItemsMax,
    reactionsMax: config.reactionsPerItemMax,
    ...archivingOf(parts),
  }
  await run(parts, parts.store.publishAttachment, args, ({ created, item, summary, unarchived }) => {
    parts.counts.unarchived += unarchived
    for (const record of created) parts.replica.ensured(record)
    applyPublished(parts, item, xml, jid)
    applySummary(parts, summary)
  })
  return renderPublished(nodeId, itemId)
}

/** Of the nodes that the service makes; who may read and publish is what the target says. §4.3 */
function keptConfig(parts: PubsubParts, service: string, type: string, maxPayloadBytes: number): NodeConfig {
  return {
    ...defaultConfig(boundsOf(parts.config(), service)),
    type,
    maxItems: 'max',
    maxPayloadBytes,
    publishNodeFull: 'reject',
    notifyRetract: true,
    sendLastItem: 'never',
  }
}

/** §4.1.1; whoever attached something may take it back. */
export async function retractAttachment(
  parts: PubsubParts,
  { service, actor }: Asker,
  { nodeId, itemId }: Request<'retract'>,
): Promise<undefined> {
  const about = itemAt(parts, { service, nodeId })
  const creator = addressesOf(parts, service)[0]
  const args = { service, nodeId, actor, about, itemId, creator, ...archivingOf(parts) }
  await run(parts, parts.store.retractAttachment, args, ({ gone, summary, unarchived }) => {
    parts.counts.unarchived += unarchived
    const node = parts.replica.get({ service, nodeId })
    if (node) parts.notifier.retracted(node, [gone])
    applySummary(parts, summary)
  })
}

/** §4.6: the summary's subscribers are told when it changes. */
function applySummary(parts: PubsubParts, change: SummaryChange): void {
  if (change?.kind === 'published') applyPublished(parts, change.item, change.payload)
  if (change?.kind !== 'retracted') return
  const summary = parts.replica.get(change)
  if (summary) parts.notifier.retracted(summary, [change])
}

/** Who may do what at a node: affiliation x access model x publish model. Pure; the storage worker decides with it. */

import type { Relation } from '../roster/index.ts'
import type { PubsubErrorKey } from './errors.ts'
import type { NodeConfig } from './node-config.ts'
import { SHARED_SERVICE } from './records.ts'
import type { RelationshipKind } from './relationship-fields.ts'

/** XEP-0060 §4.1. */
export const AFFILIATIONS = ['owner', 'publisher', 'publish-only', 'member', 'none', 'outcast'] as const
export type Affiliation = (typeof AFFILIATIONS)[number]

/** True when the text names an affiliation. */
export function isAffiliation(text: string): text is Affiliation {
  return (AFFILIATIONS as readonly string[]).includes(text)
}

/** What an entity is at a node. */
export interface Standing {
  readonly affiliation: Affiliation
  /** Has a subscription with this bare JID, whatever the resource. */
  readonly isSubscribed: boolean
  /** What the roster of the node's owner says of it; undefined: a stranger, or the node is no account's. */
  readonly relation?: Relation | undefined
  /** The service's administrator has an owner's rights everywhere but at claimed nodes. SACM-XMPP §1. */
  readonly isAdmin: boolean
  /** What it is at the node's parents, each of which has a say; none: no parent. XEP-0496 §4.4 */
  readonly parents?: readonly Superior[] | undefined
}

/** One of the nodes above a node. */
export interface Superior {
  readonly config: AccessConfig & Pick<NodeConfig, 'publishModel'>
  readonly standing: Standing
}

/** An account's nodes are its own, whatever is written down; everyone else is there what it was made. XEP-0163 §3.2 */
export function affiliationAt(service: string, bareJid: string, affiliation: Affiliation): Affiliation {
  return service === bareJid ? 'owner' : affiliation
}

/** Why not; undefined when the entity may. */
export type Verdict = PubsubErrorKey | undefined

/** What of a node's configuration says who may read. */
type AccessConfig = Pick<NodeConfig, 'accessModel' | 'rosterGroupsAllowed'>

export function isOwner(standing: Standing): boolean {
  return standing.isAdmin || standing.affiliation === 'owner'
}

/** Configure, delete, purge, manage affiliations and subscriptions. XEP-0060 §8.2.3.2 and its like. */
export function mayManage(standing: Standing): Verdict {
  return isOwner(standing) ? undefined : 'notOwner'
}

/** XEP-0060 §4.1, §4.5, §6.1.3. */
export function maySubscribe(config: NodeConfig, standing: Standing): Verdict {
  if (!config.subscribe) return 'subscribingDisabled'
  return mayRead(config, standing)
}

/** Must an owner approve first? Who has an affiliation that reads, or a subscription, is known already. §6.1.4 */
export function needsApproval(config: Pick<NodeConfig, 'accessModel'>, standing: Standing): boolean {
  if (config.accessModel !== 'authorize' || isOwner(standing)) return false
  return standing.affiliation === 'none' && !standing.isSubscribed
}

/** Does a subscription outlast a change of the access model or of the affiliation? XEP-0060 §4.5, §12.14. */
export function mayStaySubscribed(config: NodeConfig, standing: Standing): boolean {
  return mayRead(config, standing) === undefined
}

/** XEP-0060 §4.1, §4.5, §6.5.1. */
export function mayRetrieve(config: NodeConfig, standing: Standing): Verdict {
  const refusal = mayRead(config, standing)
  if (refusal) return refusal
  // §6.5.1: at such a node only subscribed entities retrieve; §12.12: owners and publishers always do.
  const isRestricted = config.accessModel === 'whitelist' || config.accessModel === 'authorize'
  const mustSubscribe = isRestricted && !isOwner(standing) && standing.affiliation !== 'publisher'
  return mustSubscribe && !standing.isSubscribed ? 'subscriptionRequired' : undefined
}

/** XEP-0060 §4.1, §4.5. */
export function mayRead(config: AccessConfig, standing: Standing): Verdict {
  const refusal = refusedAbove(standing)
  if (refusal || isOwner(standing)) return refusal
  switch (standing.affiliation) {
    case 'outcast':
      return 'outcast'
    case 'publish-only':
      return 'publishOnly'
    case 'owner':
    case 'publisher':
    case 'member':
      return undefined
    case 'none':
      return mayReadUnaffiliated(config, standing)
  }
}

/** XEP-0496 §4.4: nobody uses a node whom one of its parents keeps out, not even an owner. */
function refusedAbove({ parents = [] }: Standing): Verdict {
  for (const { config, standing } of parents) {
    const refusal = mayRead(config, standing) ?? (needsApproval(config, standing) ? 'subscriptionRequired' : undefined)
    if (refusal) return refusal
  }
  return undefined
}

/** Do the node's parents let the entity use it? Asked again at delivery, as a subscription ends a moment after they change. */
export function isLetThrough(standing: Standing): boolean {
  return refusedAbove(standing) === undefined
}

function mayReadUnaffiliated(config: AccessConfig, { relation }: Standing): Verdict {
  switch (config.accessModel) {
    case 'open':
    case 'authorize':
      return undefined
    case 'whitelist':
      return 'closedNode'
    case 'presence':
      return relation?.seesPresence ? undefined : 'presenceSubscriptionRequired'
    case 'roster': {
      // §6.5.2: subscribed to the owner's presence, and in one of the groups.
      if (!relation?.seesPresence) return 'presenceSubscriptionRequired'
      const allowed = config.rosterGroupsAllowed.split('\n')
      return relation.groups.some((group) => allowed.includes(group)) ? undefined : 'notInRosterGroup'
    }
  }
}

/** Does the roster say who may read? Then it is asked where it is: access.ts. §4.5 */
export function asksRoster({ accessModel }: Pick<NodeConfig, 'accessModel'>): boolean {
  return accessModel === 'presence' || accessModel === 'roster'
}

/** XEP-0060 §4.1, §7.1.3.1; XEP-0496 §4.4: at the node and at all its parents. */
export function mayPublish(config: Pick<NodeConfig, 'publishModel'>, standing: Standing): Verdict {
  for (const parent of standing.parents ?? []) {
    const refusal = mayPublish(parent.config, parent.standing)
    if (refusal) return refusal
  }
  if (isOwner(standing)) return undefined
  switch (standing.affiliation) {
    case 'outcast':
      return 'mayNotPublish'
    case 'owner':
    case 'publisher':
    case 'publish-only':
      return undefined
    case 'member':
    case 'none':
      if (config.publishModel === 'open') return undefined
      return config.publishModel === 'subscribers' && standing.isSubscribed ? undefined : 'mayNotPublish'
  }
}

/** An owner retracts any item, whoever may publish retracts its own. XEP-0060 §4.1 (note), §7.2.3.1. */
export function mayRetract(config: NodeConfig, standing: Standing, isOwnItem: boolean): Verdict {
  if (isOwner(standing)) return undefined
  return mayPublish(config, standing) === undefined && isOwnItem ? undefined : 'mayNotRetract'
}

/**
 * May the entity put nodes into the collection? That it may move the nodes is another question.
 * @param isListed  on the collection's whitelist
 * XEP-0248 §7.2.
 */
export function mayAssociate(
  { nodeType, childrenPolicy }: Pick<NodeConfig, 'nodeType' | 'childrenPolicy'>,
  standing: Standing,
  isListed: boolean,
): Verdict {
  if (nodeType !== 'collection') return 'notACollection'
  if (isOwner(standing)) return undefined
  const isAllowed = childrenPolicy === 'all' || (childrenPolicy === 'whitelist' && isListed)
  return isAllowed && standing.affiliation !== 'outcast' ? undefined : 'mayNotAssociate'
}

/**
 * May the entity have a node of its own belong to this one? To link takes who may read here; to be a child, who may
 * publish here too: children are part of what there is here. XEP-0496 leaves it to the service.
 */
export function mayRelate(kind: RelationshipKind, config: Superior['config'], standing: Standing): Verdict {
  const isReader = mayRead(config, standing) === undefined && !needsApproval(config, standing)
  const isEnough = isReader && (kind === 'link' || mayPublish(config, standing) === undefined)
  return isEnough ? undefined : 'mayNotRelate'
}

/** Does an event of the node reach the entity by a collection it is subscribed to? Only what it may ask for itself. */
export function mayGetThrough(config: NodeConfig, standing: Standing): boolean {
  return mayRead(config, standing) === undefined && !needsApproval(config, standing)
}

/** Is the node listed for, and its metadata told to, this entity? XEP-0060 §5.2, §14.1. */
export function maySee(config: NodeConfig, standing: Standing): boolean {
  if (!isLetThrough(standing)) return false
  if (isOwner(standing)) return true
  if (standing.affiliation === 'outcast') return false
  // Who may ask for a subscription must be able to find the node.
  return standing.affiliation !== 'none' || mayReadUnaffiliated(config, standing) === undefined
}

/** What a node says of its events. */
export type EventConfig = Pick<NodeConfig, 'persistItems' | 'deliverPayloads' | 'type' | 'maxPayloadBytes'>

/** What a publish request carries. */
export interface Publication {
  readonly hasItem: boolean
  /** Namespace of the payload's root; undefined without payload. */
  readonly payloadNs: string | undefined
  readonly payload: string | undefined
}

/**
 * Does the request fit the node's event type, payload type and size?
 * @param maxPayloadBytes  the service's own limit; the node's may be lower
 * XEP-0060 §4.3, §7.1.3.5 to §7.1.3.7.
 */
export function fitsNode(config: EventConfig, publication: Publication, maxPayloadBytes: number): Verdict {
  const { hasItem, payloadNs, payload = '' } = publication
  if (!hasItem && config.persistItems) return 'itemRequired'
  if (hasItem && !config.persistItems && !config.deliverPayloads) return 'itemForbidden'
  if (payloadNs === undefined) return config.deliverPayloads ? 'payloadRequired' : undefined
  if (config.type !== '' && config.type !== payloadNs) return 'invalidPayload'
  return isLonger(payload, Math.min(maxPayloadBytes, config.maxPayloadBytes)) ? 'payloadTooBig' : undefined
}

/** A UTF-16 unit takes three bytes at most: nearly no payload is counted. */
function isLonger(text: string, maxBytes: number): boolean {
  return text.length * 3 > maxBytes && Buffer.byteLength(text) > maxBytes
}

/**
 * May an owner change one affiliation into another? The state chart of XEP-0060 §4.1, with publish-only treated as
 * publisher; who is owner first resigns, and somebody must remain.
 */
export function mayChangeAffiliation(from: Affiliation, to: Affiliation, isLastOwner: boolean): boolean {
  if (from === to) return true
  switch (from) {
    case 'owner':
      return to === 'none' && !isLastOwner
    case 'publisher':
    case 'publish-only':
      return to !== 'member'
    case 'member':
    case 'none':
    case 'outcast':
      return true
  }
}

/** An account owns its nodes, and nobody else does. XEP-0163 §3.2 */
export function mayBe(service: string, bareJid: string, affiliation: Affiliation): boolean {
  return service === SHARED_SERVICE || (service === bareJid) === (affiliation === 'owner')
}

/** The place of a node among others, and requests that change it. XEP-0248 §7.2, §7.5, §7.6; XEP-0496 §4.2. */

import { call, type Operation } from '../../server/module/api.ts'
import { type Asker, boundsOf, type PubsubParts, run } from './context.ts'
import { asPubsubError, pubsubError } from './errors.ts'
import { defaultConfig, type NodeConfig, type PlaceChanges } from './node-config.ts'
import type { NodeView } from './node-view.ts'
import { isPublicList } from './public-names.ts'
import { type LinkRecord, type NodeRef, ROOT_ID, SHARED_SERVICE } from './records.ts'
import type { OwnerRequest } from './requests.ts'
import type { EnsureNode, NodeMade, OwnerRequest as OwnerArgs, Related, Relinked } from './store.ts'

type Request = Extract<OwnerRequest, { kind: 'associate' | 'dissociate' }>

const NOT_MOVED: Relinked = { added: [], removed: [] }

/**
 * Runs an operation on a node, and gives the node its place in the same savepoint: all happens, or nothing.
 * @throws StanzaError of the table when one of them refuses (as a rejection)
 */
export async function placed<A, R>(
  parts: PubsubParts,
  operation: Operation<A, R>,
  args: NoInfer<A>,
  { links, relationships, ...node }: OwnerArgs & PlaceChanges,
  applied: (result: R, relinked: Relinked, related: Related | undefined) => void,
): Promise<void> {
  const [isRelinked, isRelated] = [links.parents || links.children, Object.keys(relationships).length > 0]
  if (!isRelinked && !isRelated) {
    await run(parts, operation, args, (result) => applied(result, NOT_MOVED, undefined))
    return
  }
  const { childrenMax, parentsMax, relationshipDepthMax: depthMax } = parts.config()
  const calls = [
    call(operation, args),
    call(parts.store.relink, { ...node, links, childrenMax, parentsMax }),
    // Nothing is named: nothing changes, but what holds is told.
    call(parts.store.relate, { ...node, changes: relationships, depthMax }),
  ] as const
  try {
    await parts.storage.submit(calls, ([result, relinked, related]) => applied(result, relinked, related))
  } catch (error) {
    throw asPubsubError(error)
  }
}

/** Nobody puts a node of the server's own anywhere, or anything below it. @throws StanzaError not-allowed */
export function refuseClaimed(parts: PubsubParts, service: string, { links, relationships }: PlaceChanges): void {
  const { parents = [], children = [] } = links
  const named = [...parents, ...children, ...Object.values(relationships)].filter((nodeId) => nodeId !== '')
  for (const nodeId of named) {
    parts.claims.refuseOwner({ service, nodeId })
    if (isPublicList(nodeId)) throw pubsubError('managedNode', `${nodeId} is made by the service`)
  }
}

/** XEP-0248 §7.5. */
export async function associate(parts: PubsubParts, asker: Asker, request: Request): Promise<undefined> {
  const { childrenMax, parentsMax } = parts.config()
  const args = { ...linkOf(parts, asker, request), childrenMax, parentsMax }
  await run(parts, parts.store.associate, args, (relinked) => applyRelinked(parts, relinked))
}

/** XEP-0248 §7.6. */
export async function dissociate(parts: PubsubParts, asker: Asker, request: Request): Promise<undefined> {
  const args = linkOf(parts, asker, request)
  await run(parts, parts.store.dissociate, args, (relinked) => applyRelinked(parts, relinked))
}

function linkOf(parts: PubsubParts, { service, actor }: Asker, { nodeId: parent, child }: Request) {
  refuseClaimed(parts, service, { links: { parents: [parent], children: [child] }, relationships: {} })
  return { service, parent, child, actor }
}

/**
 * At commit: those who follow a collection are told what came into it and what left it. XEP-0248 §5.3.2.
 * @param created  a new node, of which they are told as such
 */
export function applyRelinked(parts: PubsubParts, relinked: Relinked, created?: string): void {
  const moved = [...relinked.removed, ...relinked.added].filter(({ child }) => child !== created)
  const nodes = new Set(moved.flatMap(({ service, child }) => parts.replica.get({ service, nodeId: child }) ?? []))
  const wereAtRoot = new Set([...nodes].filter(isAtRoot))
  parts.replica.relinked(relinked)
  const tell = ({ service, parent, child }: LinkRecord, kind: 'associate' | 'dissociate') => {
    const [upper, lower] = [parent, child].map((nodeId) => parts.replica.get({ service, nodeId }))
    if (upper && lower && child !== created) parts.notifier.relinked(upper, lower, kind)
  }
  for (const link of relinked.removed) tell(link, 'dissociate')
  for (const node of nodes) if (wereAtRoot.has(node) && !isAtRoot(node)) tellRoot(parts, node, 'dissociate')
  for (const link of relinked.added) tell(link, 'associate')
  for (const node of nodes) if (!wereAtRoot.has(node) && isAtRoot(node)) tellRoot(parts, node, 'associate')
}

function isAtRoot({ parents }: NodeView): boolean {
  return parents.size === 0
}

function tellRoot({ replica, notifier }: PubsubParts, node: NodeView, kind: 'associate' | 'dissociate'): void {
  const root = replica.rootOf(node.record.service)
  if (root) notifier.relinked(root, node, kind)
}

/** A collection is no more: what was in no other stands at the root. XEP-0248 §8.2. */
export function applyOrphaned(parts: PubsubParts, { children }: NodeView): void {
  for (const child of children) if (isAtRoot(child)) tellRoot(parts, child, 'associate')
}

/** At commit: a new node stands where it was put. */
export function applyCreated(parts: PubsubParts, { node, relinked, related }: NodeMade): void {
  parts.replica.created(node)
  if (related) parts.replica.related(related)
  applyRelinked(parts, relinked, node.nodeId)
  tellCreated(parts, node)
}

/** At commit: who follows the collections that a new node is in, the root at least, is told. XEP-0248 §5.3.1.2. */
export function tellCreated({ replica, notifier }: PubsubParts, ref: NodeRef): void {
  const node = replica.get(ref)
  if (node) notifier.toAll(node, { kind: 'create', nodeId: ref.nodeId })
}

/** Makes the shared service's root when there is none. It belongs to the service. XEP-0248 §8.1. */
export async function ensureRoot(parts: PubsubParts): Promise<void> {
  if (parts.replica.rootOf(SHARED_SERVICE)) return
  await run(parts, parts.store.ensureNode, rootFor(parts, SHARED_SERVICE), (record) => parts.replica.ensured(record))
}

/** The root that a service is to have; an account's is for those who see its owner's presence. XEP-0163 §5. */
export function rootFor(parts: PubsubParts, service: string): EnsureNode {
  const config: NodeConfig = { ...defaultConfig(boundsOf(parts.config(), service)), nodeType: 'collection' }
  return { service, nodeId: ROOT_ID, creator: service === SHARED_SERVICE ? parts.domain : service, config }
}

/** The NodeIDs that other modules own at the shared service, and what each account sees there. api.ts says what a claim means. */

import type { Jid } from '../../server/stanza/jid.ts'
import type { ClaimedNodes } from './api.ts'
import { pubsubError } from './errors.ts'
import { isPublicList } from './public-names.ts'
import type { Visible } from './reads.ts'
import { type NodeRef, SHARED_SERVICE } from './records.ts'

export class Claims {
  readonly #claims: ClaimedNodes[] = []

  add(nodes: ClaimedNodes): void {
    this.#claims.push(nodes)
  }

  /** Who owns the node; undefined: pubsub's own rules hold there. */
  of({ service, nodeId }: NodeRef): ClaimedNodes | undefined {
    if (service !== SHARED_SERVICE) return undefined
    return this.#claims.find((claim) => claim.owns(nodeId))
  }

  /**
   * @throws StanzaError not-allowed, for everyone: a claimed node has no owner (SACM-XMPP §2); forbidden: a list of
   * public subscriptions is the service's (XEP-0465 §5)
   */
  refuseOwner(node: NodeRef): void {
    if (isPublicList(node.nodeId)) throw pubsubError('managedNode', `${node.nodeId} is made by the service`)
    if (this.of(node)) throw pubsubError('claimedNode', `${node.nodeId} belongs to the server`)
  }

  /** The items that an account sees at a node; an empty list: none at all. */
  visible(bareJid: string, node: NodeRef): Visible {
    const scopes = this.of(node)?.visibleScopes(bareJid, node.nodeId) ?? 'all'
    return scopes === 'all' ? 'all' : [...scopes]
  }

  /** May the account see an item of this scope? Asked for each recipient of an event. */
  maySee(bareJid: string, node: NodeRef, scope: string | undefined): boolean {
    const scopes = this.of(node)?.visibleScopes(bareJid, node.nodeId) ?? 'all'
    return scopes === 'all' || (scopes.size > 0 && (scope === undefined || scopes.has(scope)))
  }

  /** May the entity do anything at a claimed node? Such nodes are listed for it. */
  mayUse(actor: Jid, node: NodeRef): boolean {
    const claim = this.of(node)
    if (!claim) return false
    const { nodeId } = node
    return (
      isAllowed(() => claim.authorizeSubscribe(actor, nodeId)) || isAllowed(() => claim.authorizePublish(actor, nodeId))
    )
  }
}

function isAllowed(authorize: () => void): boolean {
  try {
    authorize()
    return true
  } catch {
    // The reason is told to who asks for the thing itself.
    return false
  }
}

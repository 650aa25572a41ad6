/** What other modules see of pubsub: claimed NodeIDs with a policy of their own, and publishing as the server. */

import { type Call, type Refusal, type Token, token } from '../../server/module/api.ts'
import type { StanzaError } from '../../server/stanza/errors.ts'
import type { Jid } from '../../server/stanza/jid.ts'
import type { Element } from '../../server/xml/element.ts'

/** Under this key an operation of the same savepoint hands the item's scope to `pubsub.publish` (Tx.shared). */
export const SHARED_SCOPE = 'pubsub.scope'

/** A publish to a claimed node, authorised but not yet stored. */
export interface ClaimedPublish {
  readonly nodeId: string
  readonly itemId: string | undefined
  readonly payload: Element
  readonly publisher: Jid
}

/** What the claimer adds to the publish; stored whole or not at all. DESIGN decision 17. */
export interface PreparedPublish {
  /** Run before pubsub's own write, in the same savepoint. They may set Tx.shared[SHARED_SCOPE]. */
  readonly calls: readonly Call[]
  /** At commit, in commit order, with the results of `calls`, before notifications go out. */
  applied?(results: readonly unknown[]): void
  /** What a refusal by one of `calls` means: answered as done without a new event, or an error. */
  refused?(refusal: Refusal): 'acknowledge' | StanzaError
}

/** NodeIDs that a module owns: nobody creates, configures, deletes, purges or auto-creates them (`not-allowed`). */
export interface ClaimedNodes {
  owns(nodeId: string): boolean
  /** @throws StanzaError when the actor may not subscribe (asked again at delivery through `visibleScopes`) */
  authorizeSubscribe(actor: Jid, nodeId: string): void
  /** @throws StanzaError when the actor may not publish */
  authorizePublish(actor: Jid, nodeId: string): void
  /** May the account retract its own item there? Default no. */
  authorizeRetract?(actor: Jid, nodeId: string): void
  /**
   * Which items an account sees there: all, or those whose scope is in the set (empty: none). Used for
   * notifications, retrieval and paging alike. Items without a scope are seen by everyone who may read the node.
   */
  visibleScopes(bareJid: string, nodeId: string): 'all' | ReadonlySet<string>
  /** Synchronous: order of submission is order of commit. @throws StanzaError to refuse */
  preparePublish(publish: ClaimedPublish): PreparedPublish
}

export interface ServerNode {
  readonly title?: string
  readonly description?: string
  readonly type?: string
  readonly persistItems: boolean
  readonly maxItems: number | 'max'
}

/** A node that a module makes at an account, where its owner has not; else what XEP-0163 has by default. */
export interface PersonalNode {
  readonly accessModel?: 'open' | 'presence' | 'whitelist'
  readonly maxItems?: number | 'max'
}

export interface PersonalItem {
  readonly itemId: string
  /** Self-contained XML; undefined: an empty item. */
  readonly payload: string | undefined
  /** UTC milliseconds. */
  readonly publishedAt: number
}

/** The nodes of accounts, for modules that act for their owners. Accounts are bare JIDs. XEP-0163 */
export interface PersonalNodes {
  /**
   * Publishes as the account itself, to whoever its node is for; makes the node when it is missing. Resolves with the
   * item id after commit. @throws StanzaError as XEP-0060 §7.1.3 has them (as a rejection)
   */
  publish(
    account: string,
    nodeId: string,
    item: { readonly itemId?: string; readonly payload: Element },
    node?: PersonalNode,
  ): Promise<string>
  /** The item, or the last one without an id; undefined when there is none. */
  item(account: string, nodeId: string, itemId?: string): Promise<PersonalItem | undefined>
  /** The accounts that have such a node. */
  accountsWith(nodeId: string): readonly string[]
  /** May this bare JID retrieve the node's items now? No, where there is no such node. */
  mayRead(account: string, nodeId: string, reader: string): Promise<boolean>
  /** Retracts as the account itself, and tells so. @throws StanzaError item-not-found (as a rejection) */
  retract(account: string, nodeId: string, itemId: string): Promise<void>
}

declare module '../../server/module/api.ts' {
  interface Hooks {
    /** An item was published at an account's node, by whomever: committed, and its audience is told. */
    'pubsub.personal-published': {
      readonly account: string
      readonly nodeId: string
      /** Bare JID. */
      readonly publisher: string
      readonly item: Omit<PersonalItem, 'itemId'> & { readonly itemId: string | undefined }
    }
    /** Items of an account's node were taken away, or the node was: committed, and its audience is told. */
    'pubsub.personal-removed': { readonly account: string; readonly nodeId: string }
  }
}

export interface Pubsub {
  readonly personal: PersonalNodes

  /** In setup() only. */
  claim(nodes: ClaimedNodes): void
  /** Creates the node when it is missing, else sets its configuration; in `starting` or later. */
  ensureNode(nodeId: string, node: ServerNode): Promise<void>
  hasNode(nodeId: string): boolean
  /** Publishes as the server to a claimed node; resolves with the item id after commit. `preparePublish` is not asked. */
  publish(nodeId: string, itemId: string | undefined, payload: Element, scope?: string): Promise<string>
  retract(nodeId: string, itemId: string): Promise<void>
  /** Is this bare JID subscribed there now? */
  isSubscribed(bareJid: string, nodeId: string): boolean
}

export const PUBSUB: Token<Pubsub> = token('pubsub')

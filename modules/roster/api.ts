/** What other modules see of rosters, and what they are told of. */

import { type Token, token } from '../../server/module/api.ts'
import type { Element } from '../../server/xml/element.ts'

/** What an account's roster says of an entity. */
export interface Relation {
  /** It is subscribed to the account's presence. */
  readonly seesPresence: boolean
  /** The roster groups it is in. */
  readonly groups: readonly string[]
}

/** From memory: rosters of accounts with a session are there, others are loaded by `ready`. All JIDs are bare. */
export interface Rosters {
  /** Loads an account's roster; undefined when it is there. */
  ready(owner: string): Promise<void> | undefined
  /** While the owner's roster is not there, the contact's own says whether it sees the owner; the groups are unknown. */
  relation(owner: string, contact: string): Relation
  /** All groups of the account's roster, sorted. */
  groups(owner: string): readonly string[]
  /** Who is subscribed to the account's presence, itself left out. */
  subscribers(owner: string): Iterable<string>
  /** To whose presence the account is subscribed, itself left out. */
  subscriptions(owner: string): Iterable<string>
  /** The whole roster as its owner would get it, for who may look into it. RFC 6121 §2.1.4 */
  read(owner: string): Promise<Element>
}
export const ROSTERS: Token<Rosters> = token('rosters')

declare module '../../server/module/api.ts' {
  interface Hooks {
    /**
     * What an account's roster says of a contact changed, committed and in memory. `before` is a stranger's where that
     * is not known: the roster was not in memory.
     */
    'roster.changed': { readonly owner: string; readonly contact: string; readonly before: Relation }
    /**
     * The account is no more, and nobody sees its presence. While this is told its roster is in memory, whoever is
     * connected, and says what it said last.
     */
    'roster.ended': { readonly owner: string }
  }
}

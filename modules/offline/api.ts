/** What other modules see of the offline store: when its delivery is done, and a word about each kept notification. */

import { type SessionHandle, type Token, token } from '../../server/module/api.ts'

/** A message about to be handed to a session, as it was kept. */
export interface KeptMessage {
  /** Bare JID of the account it was kept for. */
  readonly owner: string
  /** Bare JID. */
  readonly sender: string
  /** As the sender stated them; no group: it stated neither, or they are lost, as with what a client never acknowledged. */
  readonly group: string | undefined
  readonly scope: string | undefined
  /** UTC milliseconds. */
  readonly storedAt: number
  /** Without xmlns for jabber:client. */
  readonly xml: string
}

export interface Offline {
  /**
   * Asks before a kept message goes to a session; what is refused is forgotten. In setup() only.
   */
  review(mayDeliver: (kept: KeptMessage, session: SessionHandle) => boolean): void
  /** Resolves when all that has been sent to the account until now is with a resource of it, or none takes it. */
  delivered(bareJid: string): Promise<void>
}

export const OFFLINE: Token<Offline> = token('offline')

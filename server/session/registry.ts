/** All bound sessions, by account and by full JID; decides which resource a client gets. RFC 6120 §7. */

import { randomText } from '../auth/random.ts'
import { RenewedMap } from '../renewed-map.ts'
import { StanzaError, StreamError } from '../stanza/errors.ts'
import { type Jid, JidError, withResource } from '../stanza/jid.ts'
import type { Element } from '../xml/element.ts'
import { type CatchUp, Session, type WrittenStanza } from './session.ts'

/** Random, so that nobody can guess it: RFC 6120 §7.5, §7.6. */
const RESOURCE_BYTES = 12

/** Any handle of a session: modules know it by its contract only. */
interface SessionLike {
  readonly id: string
}

/** Of a session that is none. */
const NOBODY: CatchUp = { deliver: () => false, done: () => {} }

export class SessionRegistry {
  readonly #maxResources: number
  readonly #byAccount = new RenewedMap<string, Session[]>()
  readonly #byFullJid = new RenewedMap<string, Session>()

  /** @param maxResources  bound at a time by one account */
  constructor(maxResources: number) {
    this.#maxResources = maxResources
  }

  get size(): number {
    return this.#byFullJid.size
  }

  /** Bound sessions of an account, oldest first. */
  of(bareJid: string): readonly Session[] {
    return this.#byAccount.get(bareJid) ?? []
  }

  get(fullJid: string): Session | undefined {
    return this.#byFullJid.get(fullJid)
  }

  all(): Iterable<Session> {
    return this.#byFullJid.values()
  }

  /** Queues a stanza on this session; false when it has ended. */
  deliver(session: SessionLike, stanza: Element | WrittenStanza): boolean {
    return session instanceof Session && session.send(stanza)
  }

  /** All for this session waits behind what the caller delivers, until it is done. */
  catchUp(session: SessionLike): CatchUp {
    return session instanceof Session ? session.catchUp() : NOBODY
  }

  close(session: SessionLike, error: StreamError): void {
    if (session instanceof Session) session.close(error)
  }

  /** For the one that broadcasts presence. `undefined`: the session became unavailable. RFC 6121 §4.2, §4.5. */
  setPresence(session: SessionLike, presence: Element | undefined, priority: number): void {
    if (session instanceof Session) session.setPresence(presence, priority)
  }

  /**
   * Finds the full JID for a new session, and ends the session that has it: the newer connection is the one that
   * lives (SACM-XMPP §2).
   * @param resource  as the client asked; the server makes one when it is absent, empty or not acceptable
   * @throws StanzaError resource-constraint when the account has as many as it may. RFC 6120 §7.6.2.1
   */
  claim(account: Jid, resource: string | undefined): Jid {
    const fullJid = (resource && tryResource(account, resource)) || this.#freshResource(account)
    const holder = this.#byFullJid.get(fullJid.full)
    if (holder) {
      holder.close(new StreamError('conflict', 'this resource was bound by another connection'))
      // A session whose client has said goodbye is only working off what it left; it makes room all the same.
      holder.end()
    } else if (this.of(account.bare).length >= this.#maxResources) {
      // One whose client has vanished makes room for one that is there.
      const lost = this.of(account.bare).find((session) => session.isLost)
      if (!lost) throw new StanzaError('wait', 'resource-constraint', `at most ${this.#maxResources} resources`)
      lost.end()
    }
    return fullJid
  }

  add(session: Session): void {
    this.#byFullJid.set(session.fullJid.full, session)
    this.#byAccount.set(session.bareJid, [...this.of(session.bareJid), session])
  }

  remove(session: Session): void {
    if (this.#byFullJid.get(session.fullJid.full) !== session) return
    this.#byFullJid.delete(session.fullJid.full)
    const left = this.of(session.bareJid).filter((each) => each !== session)
    if (left.length > 0) this.#byAccount.set(session.bareJid, left)
    else this.#byAccount.delete(session.bareJid)
  }

  #freshResource(account: Jid): Jid {
    return withResource(account, randomText(RESOURCE_BYTES, 'base64url'))
  }
}

function tryResource(account: Jid, resource: string): Jid | undefined {
  try {
    return withResource(account, resource)
  } catch (error) {
    if (error instanceof JidError) return undefined
    throw error
  }
}

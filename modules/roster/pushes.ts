/** Roster pushes to the resources that asked for the roster. RFC 6121 §2.1.6, §2.2. */

import type { SessionHandle, SessionView } from '../../server/module/api.ts'
import { el } from '../../server/xml/element.ts'
import { NS_CLIENT } from '../../server/xml/namespaces.ts'
import type { RosterItem } from './store.ts'
import { renderItem, renderRoster } from './xml.ts'

export class Pushes {
  readonly #sessions: SessionView
  readonly #interested = new WeakSet<SessionHandle>()
  #count = 0

  constructor(sessions: SessionView) {
    this.#sessions = sessions
  }

  add(session: SessionHandle): void {
    this.#interested.add(session)
  }

  isInterested(session: SessionHandle): boolean {
    return this.#interested.has(session)
  }

  toAll(owner: string, item: RosterItem, version: string): void {
    for (const session of this.#sessions.of(owner)) if (this.isInterested(session)) this.send(session, item, version)
  }

  /** Nobody waits for the answer: §2.1.6, an error is ignored, and many clients do not answer. */
  send(session: SessionHandle, item: RosterItem, version: string): void {
    this.#count += 1
    const to = session.fullJid.full
    const id = `push${this.#count.toString(36)}`
    const query = renderRoster([renderItem(item)], version)
    this.#sessions.deliver(session, el('iq', { xmlns: NS_CLIENT, type: 'set', id, to, from: session.bareJid }, query))
  }
}

/** Delivers messages to accounts. RFC 6121 §8.5.2.1, §8.5.3.2.1, without an offline store. */

import type { AccountView, SessionHandle, SessionView } from '../module/api.ts'
import { StanzaError } from '../stanza/errors.ts'
import type { Jid } from '../stanza/jid.ts'
import { attr, type Element } from '../xml/element.ts'

/** @throws StanzaError service-unavailable when nobody can take it and the type calls for an answer */
export function deliverMessage(
  parts: { readonly sessions: SessionView; readonly accounts: AccountView },
  { stanza, to }: { readonly stanza: Element; readonly to: Jid },
): void {
  const { sessions } = parts
  const type = attr(stanza, 'type') ?? 'normal'
  if (to.resource !== '') {
    const session = sessions.get(to.full)
    if (session && sessions.deliver(session, stanza)) return
    // RFC 6121 §8.5.3.2.1: normal and chat fall back to the bare JID, groupchat is answered, the rest ignored
    if (type === 'groupchat') throw new StanzaError('cancel', 'service-unavailable')
    if (type === 'error' || type === 'headline') return
  }
  const available = sessions.of(to.bare).filter((session) => session.presence !== undefined && session.priority >= 0)
  switch (type) {
    case 'headline': // §8.5.2.1.1: to all non-negative resources, else ignored
      for (const session of available) sessions.deliver(session, stanza)
      return
    case 'groupchat':
      throw new StanzaError('cancel', 'service-unavailable')
    case 'error':
      return
    default: {
      // §8.5.2.1.1: to the most available resources; without one, and no offline store, an error
      const highest = mostAvailable(available)
      if (highest.length === 0) throw new StanzaError('cancel', 'service-unavailable')
      for (const session of highest) sessions.deliver(session, stanza)
    }
  }
}

/** The resources with the highest priority. RFC 6121 §8.5.2.1.1. */
function mostAvailable(available: readonly SessionHandle[]): SessionHandle[] {
  const highest = Math.max(...available.map((session) => session.priority))
  return available.filter((session) => session.priority === highest)
}

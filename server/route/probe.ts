/** Answers presence probes from what is in memory. RFC 6121 §4.3.2, §4.6.6. */

import type { PresenceAuthority, SessionHandle, SessionView } from '../module/api.ts'
import { bareJid, type Jid } from '../stanza/jid.ts'
import { readdressed } from '../stanza/stanza.ts'
import { formatDateTime } from '../stanza/time.ts'
import { type Element, el } from '../xml/element.ts'
import { NS_CLIENT, NS_DELAY } from '../xml/namespaces.ts'
import type { DirectedPresence } from './directed.ts'

export interface ProbeParts {
  readonly sessions: SessionView
  readonly authority: PresenceAuthority
  readonly directed: DirectedPresence
  readonly maySee: (of: string, by: string) => boolean
  readonly exists: (bareJid: string) => boolean
}

export interface Probe {
  readonly from: Jid
  readonly to: Jid
  readonly id: string | undefined
}

/** The answers, each with its addresses; none waits for anything but the time an absent account was last seen. */
export function answerProbe(parts: ProbeParts, probe: Probe): readonly Element[] | Promise<readonly Element[]> {
  const { from, to } = probe
  if (parts.exists(to.bare)) {
    if (parts.maySee(to.bare, from.bare))
      return to.resource === '' ? ofAccount(parts, probe) : [ofResource(parts, probe)]
    // §4.6.6: whoever got directed presence learns of that resource only, and only that it is there
    const shown = candidates(parts, to).filter((session) => parts.directed.has(session, from))
    if (shown.length > 0) return shown.map((session) => presence(session.fullJid.full, from))
  }
  // §4.3.2, rule 1: the same for no such account as for not authorized; the bare address only
  return [presence(bareJid(to).full, from, { id: probe.id, type: 'unsubscribed' })]
}

function ofAccount(parts: ProbeParts, { from, to, id }: Probe): readonly Element[] | Promise<readonly Element[]> {
  const available: Element[] = []
  for (const session of parts.sessions.of(to.bare)) {
    // §4.3.2, rule 4, §4.3.2.1: the full XML of the last broadcast, its own id included
    if (session.presence) available.push(readdressed(session.presence, from.full))
  }
  if (available.length > 0) return available
  // §4.3.2, rule 3: unavailable from the bare address, with the time
  return parts.authority.lastSeen(to.bare).then((at) => {
    const answer = presence(to.full, from, { id, type: 'unavailable' })
    if (at !== undefined) answer.cnode(el('delay', { xmlns: NS_DELAY, from: to.full, stamp: formatDateTime(at) }))
    return [answer]
  })
}

/** §4.3.2: of a full address nothing but whether that resource is available. */
function ofResource({ sessions }: ProbeParts, { from, to, id }: Probe): Element {
  return sessions.get(to.full)?.presence
    ? presence(to.full, from)
    : presence(to.full, from, { id, type: 'unavailable' })
}

function candidates({ sessions }: ProbeParts, to: Jid): readonly SessionHandle[] {
  if (to.resource === '') return sessions.of(to.bare)
  const session = sessions.get(to.full)
  return session ? [session] : []
}

function presence(from: string, to: Jid, more: { id?: string | undefined; type?: string } = {}): Element {
  return el('presence', { xmlns: NS_CLIENT, from, to: to.full, ...more })
}

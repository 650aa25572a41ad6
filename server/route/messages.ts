/** Delivers messages to accounts. RFC 6121 §8.5, every row of its table 1; what is chosen there is said at its line. */

import type { AccountView, InboundStanza, RawStanza, SessionHandle, SessionView } from '../module/api.ts'
import { StanzaError } from '../stanza/errors.ts'
import type { Jid } from '../stanza/jid.ts'
import { attr, type Element } from '../xml/element.ts'
import type { HookTable } from './hooks.ts'

export interface MessageParts {
  readonly sessions: SessionView
  readonly accounts: Pick<AccountView, 'exists'>
  readonly hooks: HookTable
  readonly presence: {
    ready(bareJid: string): Promise<void> | undefined
    mayKnow(of: string, by: Jid): boolean
  }
}

type MessageType = 'normal' | 'chat' | 'groupchat' | 'headline' | 'error'

/**
 * Returns nothing when the message is delivered or ignored; a promise when it is being kept.
 * @throws StanzaError service-unavailable (as a rejection too)
 */
export function deliverMessage(parts: MessageParts, routed: InboundStanza): void | Promise<void> {
  const { stanza, from, to } = routed
  const type = typeOf(attr(stanza, 'type'))
  if (to.resource !== '') {
    const session = parts.sessions.get(to.full)
    if (session && parts.sessions.deliver(session, stanza)) return // §8.5.3.1: any type, any priority
    // §8.5.3.2.1: a chat goes to the account; of the others, S or E as §8.1 says
    if (type === 'error' || type === 'headline') return
    if (type !== 'chat') return refuseWhereKnown(parts, routed)
  }
  const willing = nonNegative(parts.sessions, to)
  switch (type) {
    case 'headline': // §8.5.2.1.1, A; else S
      for (const session of willing) parts.sessions.deliver(session, stanza)
      return
    case 'groupchat': // E in every row of a bare address
      throw unavailable()
    case 'error': // S
      return
    default: {
      // M: the resources with the highest priority
      const highest = Math.max(...willing.map((session) => session.priority))
      const chosen = willing.filter((session) => session.priority === highest)
      if (chosen.length === 0) return keep(parts, from, to, stanza)
      for (const session of chosen) parts.sessions.deliver(session, stanza)
    }
  }
}

/** The same for a message that is already written out, to a bare address. A to all: it was made for all of them. */
export function deliverWritten(parts: MessageParts, from: Jid, message: RawStanza): void | Promise<void> {
  const { to } = message
  const willing = nonNegative(parts.sessions, to)
  for (const session of willing) parts.sessions.deliver(session, message)
  const type = typeOf(message.type)
  if (willing.length === 0 && (type === 'normal' || type === 'chat')) return keep(parts, from, to, message)
}

/** RFC 6121 §5.2.2: an unknown type is normal. */
function typeOf(type: string | undefined): MessageType {
  return type === 'chat' || type === 'groupchat' || type === 'headline' || type === 'error' ? type : 'normal'
}

function nonNegative(sessions: SessionView, to: Jid): readonly SessionHandle[] {
  return sessions.of(to.bare).filter((session) => session.presence !== undefined && session.priority >= 0)
}

/** O, or E when nobody keeps it. §8.5.1, S for no such account: an error would tell that it is none. */
function keep(
  { accounts, hooks }: MessageParts,
  from: Jid,
  to: Jid,
  message: Element | RawStanza,
): Promise<void> | undefined {
  if (!accounts.exists(to.bare)) return undefined
  const { kept } = hooks.emit('message.undeliverable', { from, to, message, kept: undefined })
  if (!kept) throw unavailable()
  return kept
}

/** E where the sender learns nothing new from it, else S. §8.1. */
function refuseWhereKnown(
  { accounts, presence }: MessageParts,
  { to, from, session }: InboundStanza,
): void | Promise<void> {
  if (!accounts.exists(to.bare)) return
  const refuse = (): void => {
    if (!session || presence.mayKnow(to.bare, from)) throw unavailable()
  }
  const ready = presence.ready(to.bare)
  return ready ? ready.then(refuse) : refuse()
}

function unavailable(): StanzaError {
  return new StanzaError('cancel', 'service-unavailable')
}

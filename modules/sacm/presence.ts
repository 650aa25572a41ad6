/**
 * What sessions tell of components: gone and back in the inventory, and their broadcast presence with its caps copied
 * to the orchestrators, so that these learn of a new capability without asking. SACM-XMPP §1, §2.
 */

import type { ModuleContext, PresenceAuthority, SessionHandle } from '../../server/module/api.ts'
import { attr, childElements, type Element, el, RawXml } from '../../server/xml/element.ts'
import { NS_CLIENT } from '../../server/xml/namespaces.ts'
import { serialize } from '../../server/xml/serialize.ts'
import type { Handlers } from './handlers.ts'
import type { Roster } from './roster.ts'
import { setState } from './store.sqlite.ts'

interface Parts {
  readonly ctx: Pick<ModuleContext, 'sessions'>
  readonly roster: Roster
  readonly handlers: Handlers
  readonly authority: Pick<PresenceAuthority, 'isSubscribed'>
}

/** Notes that a component's account is online again. */
export async function sessionBound({ roster }: Parts, { bareJid }: SessionHandle): Promise<void> {
  const component = roster.ofAccount(bareJid)
  if (component?.state === 'gone') await roster.change(setState, { id: component.component, state: 'back' })
}

/** Notes that the last session of a component's account has ended. */
export async function sessionClosed({ ctx, roster }: Parts, closed: SessionHandle): Promise<void> {
  const component = roster.ofAccount(closed.bareJid)
  if (!component || component.state === 'gone') return
  if (ctx.sessions.of(closed.bareJid).some((session) => session !== closed)) return
  await roster.change(setState, { id: component.component, state: 'gone' })
}

/** May `by` see the presence of `of` because it handles registrations? Bare JIDs. */
export function seesComponents({ roster, handlers }: Parts, of: string, by: string): boolean {
  if (!roster.ofAccount(of)) return false
  return handlers.of('/orchestrator/registration', 'orchestrator').some(({ bareJid }) => bareJid === by)
}

/** Copies one component's presence to the sessions that handle registrations. */
export function copyPresence(parts: Parts, of: SessionHandle, presence: Element | undefined): void {
  const { ctx, roster, handlers } = parts
  if (!roster.ofAccount(of.bareJid)) return
  for (const orchestrator of handlers.of('/orchestrator/registration', 'orchestrator')) {
    if (!isTold(parts, of, orchestrator)) ctx.sessions.deliver(orchestrator, presenceFor(orchestrator, of, presence))
  }
}

/** Sends the presence of every component that is online to an orchestrator that has just come. */
export function sendPresences(parts: Parts, orchestrator: SessionHandle): void {
  const { ctx, roster } = parts
  for (const { bareJid } of roster.all()) {
    for (const session of ctx.sessions.of(bareJid)) {
      if (!session.presence || isTold(parts, session, orchestrator)) continue
      ctx.sessions.deliver(orchestrator, presenceFor(orchestrator, session, session.presence))
    }
  }
}

/** Has the broadcast reached the orchestrator already? RFC 6121 §4.2 */
function isTold({ authority }: Parts, of: SessionHandle, orchestrator: SessionHandle): boolean {
  if (of === orchestrator) return true
  if (!orchestrator.presence) return false
  return of.bareJid === orchestrator.bareJid || authority.isSubscribed(of.bareJid, orchestrator.bareJid)
}

/** The children go as text, since the presence itself is still the session's. */
function presenceFor(to: SessionHandle, of: SessionHandle, presence: Element | undefined): Element {
  const addresses = { xmlns: NS_CLIENT, from: of.fullJid.full, to: to.fullJid.full }
  if (!presence) return el('presence', { ...addresses, type: 'unavailable' })
  const children = childElements(presence).map((child) => new RawXml(serialize(child, NS_CLIENT)))
  return el('presence', { ...addresses, id: attr(presence, 'id'), type: attr(presence, 'type') }, ...children)
}

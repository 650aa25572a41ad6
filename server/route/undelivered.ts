/** What becomes of stanzas that a client never acknowledged, once its session is gone for good. XEP-0198 §4. */

import type { SessionView } from '../module/api.ts'
import { bareJid, type Jid, tryParseJid } from '../stanza/jid.ts'
import { formatDateTime } from '../stanza/time.ts'
import { attr, childOf, type Element, el } from '../xml/element.ts'
import { NS_DELAY } from '../xml/namespaces.ts'
import { parseWritten } from '../xml/parser.ts'

/** A stanza written without xmlns, and when it was first sent. */
export interface Undelivered {
  readonly xml: string
  readonly sentAt: number
  /** As in RawStanza, where it was one. */
  readonly group?: string | undefined
  readonly scope?: string | undefined
}

/** The session it was sent to, as it was while it lived. */
export interface GoneSession {
  readonly fullJid: Jid
  readonly bareJid: string
  readonly priority: number
}

interface Parts {
  readonly domain: string
  readonly sessions: SessionView
}

interface Routable {
  readonly stanza: Element
  readonly from: Jid
  readonly to: Jid
}

/**
 * The stanza to route again, as if its addressee had never been there; undefined when it is of no use to anybody:
 * presence, answers, and what another resource of the account got at the time.
 */
export function toRouteAgain(gone: GoneSession, { xml, sentAt }: Undelivered, view: Parts): Routable | undefined {
  const stanza = parseWritten(xml)
  const name = stanza.getName()
  const from = tryParseJid(attr(stanza, 'from') ?? view.domain)
  const to = tryParseJid(attr(stanza, 'to') ?? '') ?? bareJid(gone.fullJid)
  if (!from) return undefined
  const type = attr(stanza, 'type')
  if (name === 'iq') return type === 'get' || type === 'set' ? { stanza, from, to } : undefined
  if (name !== 'message' || type === 'error') return undefined
  if (to.resource === '' && hadAnother(gone, sentAt, view.sessions)) return undefined
  if (!childOf(stanza, 'delay', NS_DELAY)) {
    stanza.cnode(el('delay', { xmlns: NS_DELAY, from: view.domain, stamp: formatDateTime(sentAt) }))
  }
  return { stanza, from, to }
}

/** RFC 6121 §8.5.2.1.1: what is sent to an account goes to all its resources of the highest priority. */
function hadAnother(gone: GoneSession, sentAt: number, sessions: SessionView): boolean {
  return sessions
    .of(gone.bareJid)
    .some(({ presence, priority, boundAt }) => presence && priority >= gone.priority && boundAt <= sentAt)
}

/** IQs that belong to the stream though they come as stanzas, once it is bound. RFC 6120 §7. */

import { StanzaError } from '../stanza/errors.ts'
import { errorReply, resultReply } from '../stanza/stanza.ts'
import { attr, childOf, type Element } from '../xml/element.ts'
import { NS_BIND, NS_SESSION } from '../xml/namespaces.ts'

/** The answer; undefined: it is a stanza like any other. */
export function negotiated(stanza: Element): Element | undefined {
  if (stanza.name !== 'iq' || attr(stanza, 'type') !== 'set' || attr(stanza, 'to') !== undefined) return undefined
  // COMPAT(clients of RFC 3921): a session exists since the resource was bound.
  if (childOf(stanza, 'session', NS_SESSION)) return resultReply(stanza)
  // RFC 6120 §7.1: one resource per stream.
  if (childOf(stanza, 'bind', NS_BIND))
    return errorReply(stanza, new StanzaError('cancel', 'not-allowed', 'already bound'))
  return undefined
}

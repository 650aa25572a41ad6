/** Which stream error an element out of place earns. RFC 6120 §4.8, §4.9.3. */

import type { Logger } from '../log.ts'
import { StreamError } from '../stanza/errors.ts'
import { stanzaName } from '../stanza/stanza.ts'
import type { Element } from '../xml/element.ts'
import { NS_CLIENT, NS_SASL } from '../xml/namespaces.ts'

/** A message, presence or iq of the content namespace, which takes no prefix. */
export function isPlainStanza(element: Element): boolean {
  const { name } = element
  return (name === 'iq' || name === 'message' || name === 'presence') && element.getNS() === NS_CLIENT
}

/** @param ns  the element's namespace, empty for none */
export function refusal(element: Element, ns: string): StreamError {
  const isStanzaName = stanzaName(element) !== undefined
  if (ns === NS_CLIENT && isStanzaName) {
    // RFC 6120 §4.8.5: no prefix on the content namespace; §4.9.3.12: no stanza before its time.
    return element.name.includes(':') ? new StreamError('bad-namespace-prefix') : new StreamError('not-authorized')
  }
  // RFC 6120 §4.8.3.
  if (isStanzaName && (ns === '' || ns === 'jabber:server')) return new StreamError('invalid-namespace')
  // A login out of turn. RFC 6120 §4.9.3.12.
  if (ns === NS_SASL) return new StreamError('not-authorized')
  return new StreamError('unsupported-stanza-type') // RFC 6120 §4.8.4
}

/** For the log alone. */
export function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

/** Anything that is not a stream error is a defect of ours. */
export function streamError(error: unknown, log: Logger): StreamError {
  if (error instanceof StreamError) return error
  log.error({ what: 'stream_defect', error: describe(error) })
  return new StreamError('internal-server-error', '', { cause: error })
}

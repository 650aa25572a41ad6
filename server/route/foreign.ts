/** What is not this server's own, and answers for domains beside it: external components. XEP-0114 */

import type { RawStanza } from '../module/api.ts'
import { StanzaError } from '../stanza/errors.ts'
import type { Element } from '../xml/element.ts'

/** Domains that others answer for: external components. */
export interface ForeignDomains {
  /** Does one answer for this domain, connected or not? */
  serves(domain: string): boolean
  isConnected(domain: string): boolean
  /** False: it is not connected. */
  deliver(domain: string, stanza: Element | RawStanza): boolean
  /** Those connected now. */
  readonly connected: readonly string[]
}

/** RFC 6120 §8.3.3.17: known, but communication cannot be established. */
export function notConnected(domain: string, by: string): StanzaError {
  return new StanzaError('wait', 'remote-server-timeout', `${domain} is not connected`, { by })
}

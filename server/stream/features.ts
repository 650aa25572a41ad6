/** What a stream advertises at each of its stages. RFC 6120 §4.3.2, §5.4.1, §6.4.1, §7.4. */

import { type Element, el } from '../xml/element.ts'
import { NS_BIND, NS_SASL, NS_SESSION, NS_TLS } from '../xml/namespaces.ts'
import { serialize } from '../xml/serialize.ts'

/** What the stream waits for: TLS, a login, or a resource. */
export type Stage = 'tls' | 'login' | 'bind'

export interface FeatureOptions {
  /** In the server's order of preference. RFC 6120 §6.3.3. */
  readonly mechanisms: readonly string[]
  /** Features that others add; each element declares its own namespace. */
  readonly extraFeatures: (stage: Stage) => readonly Element[]
}

/** The children of `<stream:features/>`, as text. */
export function features(stage: Stage, options: FeatureOptions): string {
  return [...ownFeatures(stage, options.mechanisms), ...options.extraFeatures(stage)]
    .map((feature) => serialize(feature, ''))
    .join('')
}

function ownFeatures(stage: Stage, mechanisms: readonly string[]): Element[] {
  switch (stage) {
    case 'tls':
      return [el('starttls', { xmlns: NS_TLS }, el('required'))]
    case 'login':
      return [el('mechanisms', { xmlns: NS_SASL }, ...mechanisms.map((name) => el('mechanism', {}, name)))]
    case 'bind':
      return [
        el('bind', { xmlns: NS_BIND }),
        // COMPAT(clients of RFC 3921): they ask for a session and wait for its answer; RFC 6121 dropped it.
        el('session', { xmlns: NS_SESSION }, el('optional')),
      ]
  }
}

/** What a stream advertises at each of its stages. RFC 6120 §4.3.2, §5.4.1, §6.4.1, §7.4. */

import { type Element, el } from '../xml/element.ts'
import { NS_BIND, NS_SASL, NS_SASL_CB, NS_SESSION, NS_TLS } from '../xml/namespaces.ts'
import { serialize } from '../xml/serialize.ts'
import type { Offer } from './mechanisms.ts'

/** What the stream waits for: TLS, a login, or a resource. */
export type Stage = 'tls' | 'login' | 'bind'

/** Features that others add; each element declares its own namespace, and does not change. */
export type ExtraFeatures = (stage: Stage) => readonly Element[]

/** Texts of features: most streams are told the same. */
const written = new WeakMap<Element, string>()

const TLS_FEATURES = textOf([el('starttls', { xmlns: NS_TLS }, el('required'))])
const BIND_FEATURES = textOf([
  el('bind', { xmlns: NS_BIND }),
  // COMPAT(clients of RFC 3921): they ask for a session and wait for its answer; RFC 6121 dropped it.
  el('session', { xmlns: NS_SESSION }, el('optional')),
])

/**
 * The children of `<stream:features/>`, as text.
 * @param login  those that `loginFeatures` gives; for other stages of no interest
 */
export function features(stage: Stage, extraFeatures: ExtraFeatures, login = ''): string {
  const own = { tls: TLS_FEATURES, login, bind: BIND_FEATURES }[stage]
  return own + textOf(extraFeatures(stage))
}

/**
 * What to log in with. RFC 6120 §6.3.3.
 * @param authentication  SASL2's feature, where it is offered
 */
export function loginFeatures(offer: Offer, authentication: Element | undefined): string {
  return textOf([
    el('mechanisms', { xmlns: NS_SASL }, ...offer.mechanisms.map((name) => el('mechanism', {}, name))),
    ...(authentication ? [authentication] : []),
    ...channelBindings(offer),
  ])
}

/** What may still be negotiated once a resource is bound, after a SASL2 login. XEP-0388 §2.6.1. */
export function boundFeatures(extraFeatures: ExtraFeatures, negotiated: ReadonlySet<string | undefined>): string {
  return textOf(extraFeatures('bind').filter((feature) => !negotiated.has(feature.getNS())))
}

function textOf(features: readonly Element[]): string {
  return features.map(textOnce).join('')
}

function textOnce(feature: Element): string {
  let text = written.get(feature)
  if (text === undefined) {
    text = serialize(feature, '')
    written.set(feature, text)
  }
  return text
}

/** The types that this connection can bind to. XEP-0440 §2. */
function channelBindings({ bindingTypes }: Offer): Element[] {
  if (bindingTypes.length === 0) return []
  const types = bindingTypes.map((type) => el('channel-binding', { type }))
  return [el('sasl-channel-binding', { xmlns: NS_SASL_CB }, ...types)]
}

/** SASL as RFC 6120 §6 carries it: `<auth/>`, `<challenge/>`, `<response/>`, `<abort/>`, `<success/>`, in base64. */

import { SaslError } from '../stanza/errors.ts'
import { attr, type Element, el, textOf } from '../xml/element.ts'
import { NS_SASL } from '../xml/namespaces.ts'
import { encodeSasl, type Login, type SaslStep } from './mechanisms.ts'

/**
 * Hands an element on to the login.
 * @throws SaslError when the attempt failed; another may follow
 */
export async function takeSasl(login: Login, element: Element): Promise<SaslStep> {
  switch (element.getName()) {
    case 'auth': {
      // RFC 6120 §6.4.2: a second <auth/> discards the handshake under way. Nothing is no initial response, '=' an empty
      // one.
      const text = textOf(element)
      const initial = text === '' ? undefined : text === '=' ? '' : text
      return await login.begin(attr(element, 'mechanism') ?? '', initial)
    }
    case 'response':
      return await login.respond(textOf(element))
    case 'abort':
      login.abort()
      throw new SaslError('aborted')
    default:
      login.abort()
      throw new SaslError('malformed-request')
  }
}

/** `<challenge/>` or `<success/>`. RFC 6120 §6.4.3, §6.4.6. */
export function renderStep(step: SaslStep): Element {
  return el(step.kind, { xmlns: NS_SASL }, step.data ? encodeSasl(step.data) : undefined)
}

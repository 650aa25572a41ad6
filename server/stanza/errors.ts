/** The three typed errors that may reach a peer: StreamError, StanzaError, SaslError. RFC 6120 §4.9, §6.5, §8.3. */

import { attr, childElements, type Element, el } from '../xml/element.ts'
import { NS_SASL, NS_STANZAS, NS_STREAMS } from '../xml/namespaces.ts'

/** RFC 6120 §4.9.3. */
export type StreamCondition =
  | 'bad-format'
  | 'bad-namespace-prefix'
  | 'conflict'
  | 'connection-timeout'
  | 'host-gone'
  | 'host-unknown'
  | 'improper-addressing'
  | 'internal-server-error'
  | 'invalid-from'
  | 'invalid-namespace'
  | 'invalid-xml'
  | 'not-authorized'
  | 'not-well-formed'
  | 'policy-violation'
  | 'remote-connection-failed'
  | 'reset'
  | 'resource-constraint'
  | 'restricted-xml'
  | 'see-other-host'
  | 'system-shutdown'
  | 'undefined-condition'
  | 'unsupported-encoding'
  | 'unsupported-feature'
  | 'unsupported-stanza-type'
  | 'unsupported-version'

/** RFC 6120 §8.3.3. */
export type StanzaCondition =
  | 'bad-request'
  | 'conflict'
  | 'feature-not-implemented'
  | 'forbidden'
  | 'gone'
  | 'internal-server-error'
  | 'item-not-found'
  | 'jid-malformed'
  | 'not-acceptable'
  | 'not-allowed'
  | 'not-authorized'
  | 'policy-violation'
  | 'recipient-unavailable'
  | 'redirect'
  | 'registration-required'
  | 'remote-server-not-found'
  | 'remote-server-timeout'
  | 'resource-constraint'
  | 'service-unavailable'
  | 'subscription-required'
  | 'undefined-condition'
  | 'unexpected-request'

/** RFC 6120 §8.3.2. */
export type ErrorType = 'auth' | 'cancel' | 'continue' | 'modify' | 'wait'

/** RFC 6120 §6.5. */
export type SaslCondition =
  | 'aborted'
  | 'account-disabled'
  | 'credentials-expired'
  | 'encryption-required'
  | 'incorrect-encoding'
  | 'invalid-authzid'
  | 'invalid-mechanism'
  | 'malformed-request'
  | 'mechanism-too-weak'
  | 'not-authorized'
  | 'temporary-auth-failure'

/** Closes the stream it is raised on. */
export class StreamError extends Error {
  override readonly name = 'StreamError'
  readonly condition: StreamCondition
  /** Application-specific condition beside the defined one. RFC 6120 §4.9.4. */
  readonly application: Element | undefined
  /** Content of the defined condition: where `see-other-host` points. RFC 6120 §4.9.3.19. */
  readonly content: string | undefined

  constructor(
    condition: StreamCondition,
    text = '',
    options?: { cause?: unknown; application?: Element; content?: string },
  ) {
    super(text, options?.cause === undefined ? undefined : { cause: options.cause })
    this.condition = condition
    this.application = options?.application
    this.content = options?.content
  }

  /** The children of `<stream:error/>`. */
  toElements(): Element[] {
    const parts = [el(this.condition, { xmlns: NS_STREAMS }, this.content)]
    if (this.message) parts.push(el('text', { xmlns: NS_STREAMS, 'xml:lang': 'en' }, this.message))
    if (this.application) parts.push(this.application)
    return parts
  }
}

interface StanzaErrorOptions {
  readonly cause?: unknown
  readonly application?: readonly Element[]
  readonly content?: string | undefined
  readonly payload?: Element | undefined
  readonly by?: string | undefined
}

/** Answers one stanza with an error; the stream goes on. */
export class StanzaError extends Error {
  override readonly name = 'StanzaError'
  readonly type: ErrorType
  readonly condition: StanzaCondition
  /** Application-specific conditions beside the defined one. RFC 6120 §8.3.4. */
  readonly application: readonly Element[]
  /** Content of the defined condition: the new address of `gone` and `redirect`. RFC 6120 §8.3.3.5, §8.3.3.14. */
  readonly content: string | undefined
  /** Stands before `<error/>` in the stanza, where a protocol answers with what it refused. XEP-0060 §8.9.2.4. */
  readonly payload: Element | undefined
  /** Who raised it, where that is told or is not who was asked. RFC 6120 §8.3.2. */
  readonly by: string | undefined

  constructor(type: ErrorType, condition: StanzaCondition, text = '', options?: StanzaErrorOptions) {
    super(text, options?.cause === undefined ? undefined : { cause: options.cause })
    this.type = type
    this.condition = condition
    this.application = options?.application ?? []
    this.content = options?.content
    this.payload = options?.payload
    this.by = options?.by
  }

  /** `<error/>` as it stands in an error stanza; `by` is the entity that raised it. RFC 6120 §8.3.2. */
  toElement(by = this.by): Element {
    return el(
      'error',
      { type: this.type, by },
      el(this.condition, { xmlns: NS_STANZAS }, this.content),
      this.message ? el('text', { xmlns: NS_STANZAS, 'xml:lang': 'en' }, this.message) : undefined,
      ...this.application,
    )
  }

  /** Reads `<error/>` out of an error stanza; what is missing or unknown becomes undefined-condition. */
  static fromElement(error: Element | undefined): StanzaError {
    const parts = error ? childElements(error) : []
    const defined = parts.find((part) => part.getNS() === NS_STANZAS && part.getName() !== 'text')
    const text = parts.find((part) => part.getNS() === NS_STANZAS && part.getName() === 'text')
    // The condition is the peer's word; an unknown one is passed on as it stands for the log.
    const condition = (defined?.getName() ?? 'undefined-condition') as StanzaCondition
    const type = (error?.attrs['type'] ?? 'cancel') as ErrorType
    return new StanzaError(type, condition, text?.getText() ?? '', {
      application: parts.filter((part) => part.getNS() !== NS_STANZAS),
      by: error && attr(error, 'by'),
    })
  }
}

/** Answers an authentication attempt with `<failure/>`. */
export class SaslError extends Error {
  override readonly name = 'SaslError'
  readonly condition: SaslCondition

  constructor(condition: SaslCondition, text = '', options?: { cause?: unknown }) {
    super(text, options)
    this.condition = condition
  }

  toElement(): Element {
    return el(
      'failure',
      { xmlns: NS_SASL },
      el(this.condition),
      this.message ? el('text', { 'xml:lang': 'en' }, this.message) : undefined,
    )
  }
}

type ErrorRow = readonly [type: ErrorType, condition: StanzaCondition, application?: string]

/**
 * Makes a module's error table: `pubsubError('nodeIdRequired', 'name a node')` gives the StanzaError of that row.
 * @param ns  namespace of the rows' application conditions
 */
export function errorTable<K extends string>(
  ns: string,
  rows: Readonly<Record<K, ErrorRow>>,
): (key: K, text?: string, attributes?: Readonly<Record<string, string>>) => StanzaError {
  return (key, text = '', attributes = {}) => {
    const [type, condition, application] = rows[key]
    return new StanzaError(type, condition, text, {
      application: application ? [el(application, { xmlns: ns, ...attributes })] : [],
    })
  }
}

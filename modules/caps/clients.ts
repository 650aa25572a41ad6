/**
 * What clients can do, learnt from the hash in their presence: one disco#info per hash, kept for all who show the same
 * one when it verifies, and for the one who said it when it does not. XEP-0115 §5.4, XEP-0390 §4.4, §6.
 */

import type { Endpoint, Logger, SessionHandle } from '../../server/module/api.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import { type Element, el } from '../../server/xml/element.ts'
import { NS_DISCO_INFO } from '../disco/index.ts'
import { caps2Input, capsInput, hashOf, isKnownHash } from './hash.ts'
import { type Info, type InfoIdentity, readInfo } from './info.ts'
import { type CapsHash, parseCaps } from './xml.ts'

export interface Capabilities {
  readonly identities: readonly InfoIdentity[]
  readonly features: ReadonlySet<string>
}

/** For other modules: what a client is known to support. */
export interface ClientCapabilities {
  /** Undefined while it is not known: no presence with a hash yet, or no answer yet. */
  of(session: SessionHandle): Capabilities | undefined
}

export interface ClientCapsParts {
  readonly endpoint: Pick<Endpoint, 'request'>
  readonly maxCached: number
  readonly timeoutMs: number
  readonly log: Logger
  readonly onKnown: (session: SessionHandle, capabilities: Capabilities) => void
}

interface Shown {
  readonly hash: CapsHash
  readonly key: string
  known: Capabilities | undefined
}

/** Larger answers are used for the one who gave them alone. */
const MAX_CACHED_PARTS = 1000

export class ClientCaps implements ClientCapabilities {
  readonly #parts: ClientCapsParts
  /** Verified, by hash; the one used longest ago goes first. */
  readonly #verified = new Map<string, Capabilities>()
  readonly #asking = new Map<string, Promise<Capabilities | undefined>>()
  /** What each session shows now; gone with the session. */
  readonly #sessions = new WeakMap<SessionHandle, Shown>()
  readonly #learning = new WeakSet<SessionHandle>()

  constructor(parts: ClientCapsParts) {
    this.#parts = parts
  }

  of(session: SessionHandle): Capabilities | undefined {
    return this.#sessions.get(session)?.known
  }

  /**
   * Presence without a hash says nothing new. XEP-0115 §6.1.
   * @param isInitial  it is shown to everybody from now on: what was known by directed presence is told again
   */
  async onPresence(session: SessionHandle, presence: Element | undefined, isInitial = false): Promise<void> {
    if (!presence) {
      this.#sessions.delete(session)
      return
    }
    const hash = parseCaps(presence)
    const key = hash && JSON.stringify([hash.kind, hash.algorithm, hash.value])
    if (!hash || !key) return
    const before = this.#sessions.get(session)
    if (before?.key === key) {
      if (isInitial && before.known) this.#parts.onKnown(session, before.known)
      return
    }
    const shown = { hash, key, known: this.#cached(key) }
    this.#sessions.set(session, shown)
    if (shown.known) this.#parts.onKnown(session, shown.known)
    // One question at a time, however often it changes; what it shows by then comes next.
    else if (!this.#learning.has(session)) await this.#learnAll(session, shown)
  }

  async #learnAll(session: SessionHandle, first: Shown): Promise<void> {
    this.#learning.add(session)
    try {
      for (let shown: Shown | undefined = first; shown; ) {
        const known: Capabilities | undefined = await this.#learn(session, shown.hash, shown.key)
        const now = this.#sessions.get(session)
        if (now === shown) {
          shown.known = known
          if (known) this.#parts.onKnown(session, known)
          return
        }
        shown = now?.known ? undefined : now
      }
    } finally {
      this.#learning.delete(session)
    }
  }

  #cached(key: string): Capabilities | undefined {
    const known = this.#verified.get(key)
    if (!known) return undefined
    this.#verified.delete(key)
    this.#verified.set(key, known)
    return known
  }

  /** Of several who show the same hash at once one is asked; when that one lies or is silent, each is. */
  async #learn(session: SessionHandle, hash: CapsHash, key: string): Promise<Capabilities | undefined> {
    const asking = this.#asking.get(key)
    if (asking) {
      const shared = (await asking) ?? this.#cached(key)
      if (shared) return shared
    }
    const { promise, resolve } = Promise.withResolvers<Capabilities | undefined>()
    if (!this.#asking.has(key)) this.#asking.set(key, promise)
    let verified: Capabilities | undefined
    try {
      const info = await this.#ask(session, hash)
      if (!info) return undefined
      const capabilities = { identities: info.identities, features: new Set(info.features) }
      const isVerified = isOf(info, hash)
      this.#parts.log.debug({ what: isVerified ? 'caps_verified' : 'caps_not_verified', session: session.id })
      if (isVerified) {
        verified = capabilities
        this.#keep(key, info, capabilities)
      }
      return capabilities
    } finally {
      if (this.#asking.get(key) === promise) this.#asking.delete(key)
      resolve(verified)
    }
  }

  async #ask(session: SessionHandle, { node }: CapsHash): Promise<Info | undefined> {
    const { endpoint, timeoutMs } = this.#parts
    try {
      const answer = await endpoint.request(
        session.fullJid,
        'get',
        el('query', { xmlns: NS_DISCO_INFO, node }),
        timeoutMs,
      )
      return answer && readInfo(answer, langAround(answer))
    } catch (error) {
      if (error instanceof StanzaError) return undefined
      throw error
    }
  }

  #keep(key: string, { features, identities, forms }: Info, capabilities: Capabilities): void {
    const { maxCached } = this.#parts
    if (features.length + identities.length + forms.length > MAX_CACHED_PARTS) return
    const oldest = this.#verified.size >= maxCached ? this.#verified.keys().next().value : undefined
    if (oldest !== undefined) this.#verified.delete(oldest)
    this.#verified.set(key, capabilities)
  }
}

function langAround(answer: Element): string {
  const lang: unknown = answer.parent?.attrs['xml:lang']
  return typeof lang === 'string' ? lang : ''
}

/** Does this answer hash to what was shown? What cannot be told is not verified. */
function isOf(info: Info, { kind, algorithm, value }: CapsHash): boolean {
  if (!isKnownHash(algorithm)) return false
  // COMPAT(clients that hash only languages they state): XEP-0390 §4.1 counts inherited ones too.
  const inputs = kind === 'caps' ? [capsInput(info)] : [caps2Input(info, info.lang), caps2Input(info, '')]
  return inputs.some((input) => input !== undefined && hashOf(algorithm, input) === value)
}

/** Stanzas held back from a client that says it is inactive, at most one of a kind and sender. XEP-0352 §3. */

const FIRST_TAG = /^<(?:presence|message)(?=[\s/>])[^>]*>/
const CHAT_STATE =
  /^<message(?=[\s>])[^>]*><(active|composing|paused|inactive|gone) +xmlns=["']http:\/\/jabber\.org\/protocol\/chatstates["'] *(?:\/>|><\/\1>)<\/message>$/

export class Deferred {
  readonly #max: number
  /** In the order of their last change. */
  readonly #byKey = new Map<string, string>()

  constructor(max: number) {
    this.#max = max
  }

  /** False when it must be sent now, after all that is held. */
  hold(xml: string): boolean {
    const key = keyOf(xml)
    if (key === undefined) return false
    this.#byKey.delete(key)
    if (this.#byKey.size >= this.#max) return false
    this.#byKey.set(key, xml)
    return true
  }

  /** Empties it. */
  take(): string[] {
    const all = [...this.#byKey.values()]
    this.#byKey.clear()
    return all
  }
}

/** What replaces what; undefined: it cannot wait. */
function keyOf(xml: string): string | undefined {
  const tag = FIRST_TAG.exec(xml)?.[0]
  if (tag === undefined) return undefined
  const type = attribute(tag, 'type')
  const from = attribute(tag, 'from')
  // RFC 6121 §4.7.1: subscriptions and errors are told at once.
  if (tag.startsWith('<presence')) return type === '' || type === 'unavailable' ? `presence ${from}` : undefined
  return type !== 'error' && CHAT_STATE.test(xml) ? `chat state ${from}` : undefined
}

function attribute(tag: string, name: string): string {
  return new RegExp(`\\s${name}=(["'])(.*?)\\1`).exec(tag)?.[2] ?? ''
}

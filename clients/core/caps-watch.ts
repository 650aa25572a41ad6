/** Learns from presence what others can do: one disco#info per verification string, kept only when the hash is right. XEP-0115 §6.2, §8.4. */

import { attr, type Element } from '../../server/xml/element.ts'
import { type Caps, type DiscoInfo, parseCaps, verifyCaps } from './caps.ts'
import { discoInfo, type IqPort } from './disco.ts'

/** Verified infos kept; the oldest goes first. */
const MAX_KNOWN = 1_000
/** Questions under way at one time. */
const MAX_ASKING = 64

export class CapsWatch {
  readonly #port: IqPort
  readonly #known = new Map<string, DiscoInfo>()
  readonly #asking = new Map<string, Promise<DiscoInfo>>()

  constructor(port: IqPort) {
    this.#port = port
  }

  /**
   * What the sender of this presence can do.
   * @returns undefined without caps @throws StanzaError, TimeoutError, OfflineError when it does not tell
   */
  async infoOf(presence: Element, signal: AbortSignal): Promise<DiscoInfo | undefined> {
    const caps = parseCaps(presence)
    const from = attr(presence, 'from')
    if (!caps || from === undefined) return undefined
    const key = `${caps.hash}\n${caps.ver}`
    const known = this.#known.get(key)
    if (known) return known
    // Another entity with the same string may be asked already; if that one lies, its answer is not kept for this one.
    const shared = await this.#asking.get(key)?.catch(() => undefined)
    if (shared && verifyCaps(shared, caps)) return shared
    if (this.#asking.size >= MAX_ASKING) return undefined
    const question = this.#ask(from, caps, signal)
    this.#asking.set(key, question)
    try {
      const info = await question
      if (verifyCaps(info, caps)) this.#keep(key, info)
      return info
    } finally {
      this.#asking.delete(key)
    }
  }

  #ask(from: string, caps: Caps, signal: AbortSignal): Promise<DiscoInfo> {
    return discoInfo(this.#port, from, `${caps.node}#${caps.ver}`, { signal })
  }

  #keep(key: string, info: DiscoInfo): void {
    const [oldest] = this.#known.keys()
    if (oldest !== undefined && this.#known.size >= MAX_KNOWN) this.#known.delete(oldest)
    this.#known.set(key, info)
  }
}

/**
 * The picture of an account, kept once, in its avatar nodes; its vCard shows it, and a vCard with a picture publishes it.
 * XEP-0084, XEP-0153, XEP-0398.
 */

import type { Logger } from '../../server/module/api.ts'
import type { Element } from '../../server/xml/element.ts'
import { parseFragment } from '../../server/xml/parser.ts'
import type { PersonalNodes } from '../pubsub/index.ts'
import {
  hashOfMetadata,
  NS_AVATAR_DATA,
  NS_AVATAR_METADATA,
  type Photo,
  photoOfData,
  renderData,
  renderMetadata,
} from './photo.ts'

export class Avatars {
  readonly #nodes: PersonalNodes
  readonly #log: Logger
  /** Bare JID -> id of the picture in the data node. Presence is stamped without asking storage. */
  readonly #hashes = new Map<string, string>()

  constructor(nodes: PersonalNodes, log: Logger) {
    this.#nodes = nodes
    this.#log = log
  }

  /** Most accounts have no picture, and cost nothing. */
  async load(): Promise<void> {
    for (const account of this.#nodes.accountsWith(NS_AVATAR_METADATA)) await this.review(account)
  }

  /** Looks at what is there. */
  async review(account: string): Promise<void> {
    const metadata = await this.#nodes.item(account, NS_AVATAR_METADATA)
    this.changed(account, metadata?.payload)
  }

  /** SHA-1 of the account's picture, in lower-case hex; undefined when it shows none. */
  hashOf(account: string): string | undefined {
    return this.#hashes.get(account)?.toLowerCase()
  }

  /** The account's last metadata; undefined when there is none. */
  changed(account: string, metadata: string | undefined): void {
    const hash = metadata === undefined ? undefined : this.#read(metadata, hashOfMetadata)
    if (hash === undefined) this.#hashes.delete(account)
    else this.#hashes.set(account, hash)
  }

  forget(account: string): void {
    this.#hashes.delete(account)
  }

  /** The picture, for a bare JID that may read both nodes. XEP-0398 §5.2, §6 */
  async photoFor(account: string, reader: string): Promise<Photo | undefined> {
    const id = this.#hashes.get(account)
    if (id === undefined) return undefined
    for (const nodeId of [NS_AVATAR_METADATA, NS_AVATAR_DATA]) {
      if (!(await this.#nodes.mayRead(account, nodeId, reader))) return undefined
    }
    const data = await this.#nodes.item(account, NS_AVATAR_DATA, id)
    const photo = data?.payload === undefined ? undefined : this.#read(data.payload, photoOfData)
    // §3.1: what is not what its id says is shown to nobody
    return photo?.hash === id.toLowerCase() ? photo : undefined
  }

  /**
   * Shows the picture of a new vCard, or none. A vCard is there for everybody, so the nodes are open where the account
   * has none yet. XEP-0398 §3.2
   */
  async show(account: string, photo: Photo | undefined): Promise<void> {
    const node = { accessModel: 'open' } as const
    // The account may have lost the picture that its metadata tell of.
    if (photo && !(await this.#holds(account, photo)))
      await this.#nodes.publish(account, NS_AVATAR_DATA, { itemId: photo.hash, payload: renderData(photo) }, node)
    if (photo?.hash === this.#hashes.get(account)) return
    const itemId = photo?.hash ?? 'none'
    await this.#nodes.publish(account, NS_AVATAR_METADATA, { itemId, payload: renderMetadata(photo) }, node)
  }

  async #holds(account: string, { hash }: Photo): Promise<boolean> {
    const data = await this.#nodes.item(account, NS_AVATAR_DATA, hash)
    return data?.payload !== undefined && this.#read(data.payload, photoOfData)?.hash === hash
  }

  #read<T>(xml: string, read: (element: Element) => T): T | undefined {
    try {
      return read(parseFragment(xml))
    } catch (error) {
      // It was well-formed when it was kept.
      this.#log.error({ what: 'avatar_unreadable', error: String(error) })
      return undefined
    }
  }
}

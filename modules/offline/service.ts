/**
 * Keeps messages for accounts with nobody to take them, and delivers them, oldest first, to the resource that becomes
 * available. XEP-0160 §2.
 *
 * Delivery reads a page, sends it, and forgets it: a crash in between delivers twice, never not at all. One resource
 * of an account is served at a time, so that two that come together do not get the same page. A message may still be
 * on its way to disk when its receiver comes: whoever stored it looks again at commit.
 */

import type { CatchUp, Logger, ModuleContext, RawStanza, SessionHandle } from '../../server/module/api.ts'
import { Refusal } from '../../server/module/api.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import { type Jid, parseJid } from '../../server/stanza/jid.ts'
import { formatDateTime } from '../../server/stanza/time.ts'
import { attr, Element, el } from '../../server/xml/element.ts'
import { NS_CLIENT, NS_DELAY } from '../../server/xml/namespaces.ts'
import { serialize } from '../../server/xml/serialize.ts'
import type { KeptMessage, Offline } from './api.ts'
import { type BoxLimits, isStorable } from './rules.ts'
import type { Letter, OfflineStore, StoredLetter } from './store.ts'

export interface OfflineParts {
  readonly ctx: Pick<ModuleContext, 'domain' | 'storage' | 'sessions'>
  readonly store: OfflineStore
  readonly log: Logger
  readonly limits: () => BoxLimits
}

/** Enough for a usual absence in one go, and less than any bound on a connection's output. */
const PAGE_MESSAGES = 200
const PAGE_CHARS = 131_072
const BATCH = 1_000
/** More pages than any box holds. */
const MAX_PAGES = 1_000_000

type Review = Parameters<Offline['review']>[0]

export class OfflineService implements Offline {
  readonly #parts: OfflineParts
  /** Accounts being served, and whether something came meanwhile. */
  readonly #serving = new Map<string, { isDirty: boolean; readonly done: Promise<void> }>()
  readonly #reviewers: Review[] = []
  #batch: Letter[] = []

  constructor(parts: OfflineParts) {
    this.#parts = parts
  }

  review(mayDeliver: Review): void {
    this.#reviewers.push(mayDeliver)
  }

  async delivered(bareJid: string): Promise<void> {
    const { storage } = this.#parts.ctx
    this.#flush()
    // At its commit, what is on its way to disk begins to be delivered.
    await storage.settled(storage.submitted)
    // Each ends on its own; the next one serves another resource.
    for (let each = this.#serving.get(bareJid); each; each = this.#serving.get(bareJid)) await each.done
  }

  /** @returns undefined when it is not kept; rejects with service-unavailable when the box is full. XEP-0160 §2, step 3 */
  keep(message: Element | RawStanza, from: Jid, to: Jid): Promise<void> | undefined {
    if (!(message instanceof Element)) {
      const { type, group, scope, xml } = message
      this.#collect({ owner: to.bare, sender: senderOf(from.bare, group), scope, type, xml })
      return Promise.resolve()
    }
    if (!isStorable(message)) return undefined
    const letter = { owner: to.bare, sender: from.bare, type: attr(message, 'type'), xml: serialize(message) }
    const { ctx, store, limits } = this.#parts
    return ctx.storage
      .run(store.keep, { letter, limits: limits() }, () => this.#lookAgain(letter.owner))
      .catch((error: unknown) => {
        if (!(error instanceof Refusal)) throw error
        throw new StanzaError('cancel', 'service-unavailable', 'too many messages wait there already')
      })
  }

  /** Delivers what is kept to a resource that takes messages. */
  async serve(session: SessionHandle): Promise<void> {
    const owner = session.bareJid
    const serving = this.#serving.get(owner)
    if (serving) {
      serving.isDirty = true
      return
    }
    const { promise: done, resolve } = Promise.withResolvers<void>()
    const state = { isDirty: false, done }
    this.#serving.set(owner, state)
    const { storage, sessions } = this.#parts.ctx
    const catchUp = sessions.catchUp(session)
    try {
      // What is on its way to disk is older than what comes from now on.
      this.#flush()
      const settled = storage.settled(storage.submitted)
      if (settled) await settled
      for (let pages = 0; pages < MAX_PAGES; pages++) {
        state.isDirty = false
        const hasMore = isWilling(session) && (await this.#servePage(session, catchUp))
        if (!hasMore && !state.isDirty) break
        if (!isWilling(session)) break
      }
    } finally {
      this.#serving.delete(owner)
      catchUp.done()
      resolve()
    }
    // Whoever came while this one left.
    if (!isWilling(session)) this.#lookAgain(owner)
  }

  /** @returns whether there was anything */
  async #servePage(session: SessionHandle, catchUp: CatchUp): Promise<boolean> {
    const { ctx, store } = this.#parts
    const owner = session.bareJid
    const page = await ctx.storage.run(store.readPage, { owner, max: PAGE_MESSAGES, maxChars: PAGE_CHARS })
    let upTo: number | undefined
    for (const letter of page) {
      if (this.#mayDeliver(letter, session) && !catchUp.deliver(stamped(letter, owner, ctx.domain))) break
      upTo = letter.id
    }
    if (upTo !== undefined) await ctx.storage.run(store.forget, { owner, upTo })
    return upTo !== undefined
  }

  #mayDeliver(letter: StoredLetter, session: SessionHandle): boolean {
    const { scope, storedAt, xml } = letter
    const kept: KeptMessage = { owner: session.bareJid, ...splitSender(letter.sender), scope, storedAt, xml }
    return this.#reviewers.every((mayDeliver) => mayDeliver(kept, session))
  }

  /** Messages of services come by the thousand: those of one turn are one operation. */
  #collect(letter: Letter): void {
    if (this.#batch.length === 0) queueMicrotask(() => this.#flush())
    this.#batch.push(letter)
    if (this.#batch.length >= BATCH) this.#flush()
  }

  #flush(): void {
    const letters = this.#batch
    if (letters.length === 0) return
    this.#batch = []
    const { ctx, store, log, limits } = this.#parts
    ctx.storage
      .run(store.keepAll, { letters, limits: limits() }, ({ dropped }) => {
        if (dropped > 0) log.debug({ what: 'offline_boxes_full', dropped })
        for (const owner of new Set(letters.map((letter) => letter.owner))) this.#lookAgain(owner)
      })
      .catch((error: unknown) => {
        log.warn({ what: 'offline_store_failed', letters: letters.length, error: String(error) })
      })
  }

  #lookAgain(owner: string): void {
    const session = this.#parts.ctx.sessions.of(owner).find(isWilling)
    if (!session) return
    this.serve(session).catch((error: unknown) => {
      this.#parts.log.warn({ what: 'offline_delivery_failed', error: String(error) })
    })
  }
}

/** No address holds a space, so a group cannot pass for another sender. */
function senderOf(address: string, group: string | undefined): string {
  return group === undefined ? address : `${address} ${group}`
}

function splitSender(text: string): { readonly sender: string; readonly group: string | undefined } {
  const at = text.indexOf(' ')
  return at < 0 ? { sender: text, group: undefined } : { sender: text.slice(0, at), group: text.slice(at + 1) }
}

/** May it get messages to the bare address? RFC 6121 §8.5.2.1.1. */
function isWilling(session: SessionHandle): boolean {
  return session.presence !== undefined && session.priority >= 0
}

/** The stanza with the time it was stored. XEP-0160 §2, XEP-0203 §2. */
function stamped({ xml, type, storedAt }: StoredLetter, owner: string, domain: string): RawStanza {
  const delay = el('delay', { xmlns: NS_DELAY, from: domain, stamp: formatDateTime(storedAt) }, 'Offline Storage')
  return { name: 'message', to: parseJid(owner), type, xml: insertLast(xml, serialize(delay, NS_CLIENT)) }
}

/** Puts a child at the end of an element in the form that `serialize` writes. */
export function insertLast(xml: string, child: string): string {
  if (!xml.endsWith('/>')) {
    const end = xml.lastIndexOf('</')
    return `${xml.slice(0, end)}${child}${xml.slice(end)}`
  }
  const name = /^<([^\s/>]+)/.exec(xml)?.[1] ?? 'message'
  return `${xml.slice(0, -2)}>${child}</${name}>`
}

/** What every client of SACM is while it lives: a connection, the services found over it, an id of its own, and an end. */

import { NS_TOPIC } from '../../modules/sacm/xml.ts'
import { parseJid } from '../../server/stanza/jid.ts'
import type { Client } from './client.ts'
import type { Services } from './discover.ts'
import { OfflineError } from './iq.ts'
import { Topics } from './topics.ts'

export abstract class Member {
  readonly client: Client
  readonly topics: Topics
  readonly bareJid: string
  /** In words, for who asks after its end. */
  readonly #what: string
  readonly #closing = new AbortController()
  readonly #ready = Promise.withResolvers<void>()
  #id: string | undefined
  #services: Services | undefined

  protected constructor(what: string, jid: string, client: Client, knownId?: string) {
    this.#what = what
    this.#id = knownId
    this.bareJid = parseJid(jid).bare
    this.client = client
    this.topics = new Topics(client)
    client.onIq('set', `{${NS_TOPIC}}request`, (iq) => this.topics.answer(iq))
    // `ready` may never be asked for.
    this.#ready.promise.catch(() => undefined)
  }

  /**
   * Connects; resolves when the login has succeeded. The registration goes on behind it, see `ready`.
   * @throws SaslError, a certificate or network error as Client.start does
   */
  async start(): Promise<void> {
    try {
      await this.client.start()
    } catch (error) {
      await this.close()
      throw error
    }
    this.client.closed.catch((error: unknown) => this.failed(error))
  }

  /** Resolves when it is registered and hears what is sent to it; rejects when it ends before. */
  get ready(): Promise<void> {
    return this.#ready.promise
  }

  /** Aborts when it is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal
  }

  /** Its component id; undefined before the registration. */
  get knownId(): string | undefined {
    return this.#id
  }

  /** Its component id. @throws OfflineError before the registration */
  get id(): string {
    if (this.#id === undefined) throw new OfflineError('not registered yet')
    return this.#id
  }

  /** The addresses found by discovery. @throws OfflineError before it */
  get services(): Services {
    if (!this.#services) throw new OfflineError('the services are not discovered yet')
    return this.#services
  }

  async close(): Promise<void> {
    const closed = new OfflineError(`the ${this.#what} was closed`)
    this.#closing.abort(closed)
    this.failed(closed)
    await this.client.close()
  }

  protected discovered(services: Services): void {
    this.#services = services
    this.topics.service = services.sacm
  }

  protected registered(id: string): void {
    this.#id = id
  }

  protected completed(): void {
    this.#ready.resolve()
  }

  protected failed(error: unknown): void {
    this.#ready.reject(error)
  }
}

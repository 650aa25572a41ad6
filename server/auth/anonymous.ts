/**
 * Accounts that last as long as one session, for labs: SASL ANONYMOUS. RFC 4505, XEP-0175.
 *
 * Such an account is a real one with no password and no role, so that all modules know how to serve it and to forget it.
 * It belongs to its stream until a resource is bound, then to the session, which may outlive streams. What a crash left
 * behind is swept at the next start.
 */

import { randomBytes } from 'node:crypto'
import type { Logger } from '../log.ts'
import { type Jid, makeJid, parseJid } from '../stanza/jid.ts'
import type { Accounts } from './accounts.ts'

const PREFIX = 'anonymous-'
const RANDOM_BYTES = 16
const LOCAL = /^anonymous-[0-9a-f]{32}$/

export class AnonymousAccounts {
  readonly #accounts: Accounts
  readonly #domain: string
  readonly #log: Logger
  /** Those whose stream has not bound a resource yet. */
  readonly #unbound = new Map<object, Jid>()

  constructor(accounts: Accounts, domain: string, log: Logger) {
    this.#accounts = accounts
    this.#domain = domain
    this.#log = log
  }

  /** Removes what is left of an earlier process; before anybody connects. */
  async sweep(): Promise<void> {
    for (const { local } of this.#accounts.records()) if (LOCAL.test(local)) await this.#accounts.remove(local)
  }

  /** Makes an account for a stream. */
  async begin(stream: object): Promise<Jid> {
    const account = makeJid(`${PREFIX}${randomBytes(RANDOM_BYTES).toString('hex')}`, this.#domain)
    this.#unbound.set(stream, account)
    await this.#accounts.add(account.local, undefined, [], { replace: false })
    // The stream may have gone while the account was made: then nobody else would remove it.
    if (this.#unbound.get(stream) !== account) this.#remove(account.local)
    return account
  }

  /** A stream has ended: its account goes, unless a session has taken it over. */
  streamEnded(stream: object): void {
    const account = this.#unbound.get(stream)
    this.#unbound.delete(stream)
    if (account) this.#remove(account.local)
  }

  /** A resource was bound: the account is the session's. */
  bound(stream: object): void {
    this.#unbound.delete(stream)
  }

  sessionEnded(bareJid: string): void {
    const { local } = parseJid(bareJid)
    if (LOCAL.test(local)) this.#remove(local)
  }

  #remove(local: string): void {
    if (!this.#accounts.exists(`${local}@${this.#domain}`)) return
    this.#accounts.remove(local).catch((error: unknown) => {
      this.#log.warn({ what: 'anonymous_account_left', error: String(error) })
    })
  }
}

/**
 * Slows down who fails to log in, per address and per account, in bounded memory. RFC 6120 §13.8, RFC 4616 §6.
 *
 * Every address and every account has a count of failures, which time brings down again. Beyond a few free ones its
 * attempts get their outcome one after the other, each a delay after the one before, and the delay doubles with each
 * failure. What would have to wait longer than the longest delay is answered with temporary-auth-failure, whatever its
 * outcome: so a thousand attempts at once find out no more than one after the other.
 *
 * An address from which an account has logged in has a count of its own for that account: whoever hammers an account
 * from elsewhere does not lock its owner out.
 *
 * Names count whether there is such an account or not, so neither answers nor delays tell.
 */

import { isIPv4, isIPv6 } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { SaslError } from '../stanza/errors.ts'

export interface ThrottleOptions {
  /** Failures of an account, and of an address, that cost nothing. */
  readonly freeFailures: number
  readonly freeFailuresPerAddress: number
  /** The longest delay between two outcomes, and the longest that one waits. */
  readonly slowestMs: number
  /** After this time one failure is forgotten. */
  readonly forgiveMs: number
  /** Addresses, accounts, and pairs of them remembered, of each so many; then the oldest is forgotten. */
  readonly maxTracked: number
  /** For tests; UTC milliseconds. */
  readonly now?: () => number
  readonly wait?: (ms: number) => Promise<void>
}

const FIRST_DELAY_MS = 1_000
/** Failures beyond the free ones that count: what follows is at the slowest already. */
const MAX_COUNTED = 16

interface Bucket {
  failures: number
  /** When `failures` was counted. */
  countedAt: number
  /** When the last outcome is told. */
  lastTurnAt: number
}

interface Key {
  readonly buckets: Map<string, Bucket>
  readonly name: string
  readonly free: number
}

export class LoginThrottle {
  readonly #options: ThrottleOptions
  readonly #now: () => number
  readonly #wait: (ms: number) => Promise<void>
  /** Oldest use first. */
  readonly #addresses = new Map<string, Bucket>()
  readonly #accounts = new Map<string, Bucket>()
  readonly #pairs = new Map<string, Bucket>()

  constructor(options: ThrottleOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
    this.#wait = options.wait ?? ((ms) => sleep(ms))
  }

  /** What is remembered, for tests and metrics. */
  get size(): number {
    return this.#addresses.size + this.#accounts.size + this.#pairs.size
  }

  /**
   * Runs a check, and tells its outcome when it is its turn.
   * @param account  who it claims to be, prepared; undefined: nobody that could exist
   * @throws SaslError of the check, or temporary-auth-failure when there are too many before it
   */
  async attempt<T>(address: string, account: string | undefined, check: () => T | Promise<T>): Promise<T> {
    const keys = this.#keysOf(networkOf(address), account)
    // Nothing is computed for what would be refused anyway.
    if (this.#delayOf(keys) > this.#options.slowestMs) throw busy()
    let outcome: { readonly value: T } | { readonly error: unknown }
    try {
      outcome = { value: await check() }
    } catch (error) {
      outcome = { error }
      if (error instanceof SaslError && error.condition === 'not-authorized') this.#count(keys)
    }
    await this.#turn(keys)
    if ('error' in outcome) throw outcome.error
    if (account !== undefined) this.#remember(networkOf(address), account)
    return outcome.value
  }

  #keysOf(network: string, account: string | undefined): readonly Key[] {
    const { freeFailures, freeFailuresPerAddress } = this.#options
    const byAddress = { buckets: this.#addresses, name: network, free: freeFailuresPerAddress }
    if (account === undefined) return [byAddress]
    const pair = pairName(network, account)
    if (this.#pairs.has(pair)) return [{ buckets: this.#pairs, name: pair, free: freeFailures }]
    return [byAddress, { buckets: this.#accounts, name: account, free: freeFailures }]
  }

  #count(keys: readonly Key[]): void {
    for (const { buckets, name, free } of keys) {
      const bucket = this.#take(buckets, name)
      this.#forgive(bucket)
      bucket.failures = Math.min(bucket.failures + 1, free + MAX_COUNTED)
    }
  }

  /** How long an outcome that came now would have to wait. */
  #delayOf(keys: readonly Key[]): number {
    return Math.max(...keys.map(({ buckets, name, free }) => this.#turnAfter(buckets.get(name), free) - this.#now()))
  }

  /** Waits for the turn of this attempt. @throws SaslError temporary-auth-failure */
  async #turn(keys: readonly Key[]): Promise<void> {
    const delay = this.#delayOf(keys)
    if (delay <= 0) return
    if (delay > this.#options.slowestMs) throw busy()
    for (const { buckets, name, free } of keys) {
      const bucket = buckets.get(name)
      if (bucket) bucket.lastTurnAt = Math.max(bucket.lastTurnAt, this.#turnAfter(bucket, free))
    }
    await this.#wait(delay)
  }

  /** When the next outcome may be told. */
  #turnAfter(bucket: Bucket | undefined, free: number): number {
    if (!bucket) return this.#now()
    this.#forgive(bucket)
    const beyond = bucket.failures - free
    if (beyond <= 0) return this.#now()
    const delay = Math.min(FIRST_DELAY_MS * 2 ** (beyond - 1), this.#options.slowestMs)
    return Math.max(bucket.lastTurnAt, this.#now()) + delay
  }

  #forgive(bucket: Bucket): void {
    const forgiven = Math.floor((this.#now() - bucket.countedAt) / this.#options.forgiveMs)
    if (forgiven <= 0) return
    bucket.failures = Math.max(0, bucket.failures - forgiven)
    bucket.countedAt += forgiven * this.#options.forgiveMs
  }

  #remember(network: string, account: string): void {
    this.#take(this.#pairs, pairName(network, account))
  }

  /** The bucket of this name, now the youngest. */
  #take(buckets: Map<string, Bucket>, name: string): Bucket {
    const bucket = buckets.get(name) ?? { failures: 0, countedAt: this.#now(), lastTurnAt: 0 }
    buckets.delete(name)
    if (bucket.failures === 0) bucket.countedAt = this.#now()
    for (const oldest of buckets.keys()) {
      if (buckets.size < this.#options.maxTracked) break
      buckets.delete(oldest)
    }
    buckets.set(name, bucket)
    return bucket
  }
}

const pairName = (network: string, account: string): string => `${network} ${account}`

function busy(): SaslError {
  return new SaslError('temporary-auth-failure', 'too many failed logins; try again later')
}

/** What one client may be taken to have: an IPv4 address, or the /64 of an IPv6 address. */
export function networkOf(address: string): string {
  if (isIPv4(address)) return address
  const v4 = address.replace(/^::ffff:(?=\d+\.\d+\.\d+\.\d+$)/i, '')
  if (isIPv4(v4) || !isIPv6(address)) return v4
  const [plain = ''] = address.split('%')
  const [head = '', tail] = plain.split('::')
  const groups = (part: string) => (part === '' ? [] : part.split(':'))
  const before = groups(head)
  const after = groups(tail ?? '')
  // Node writes an IPv4 tail only for mapped addresses; elsewhere it stands beyond the first four groups.
  const zeros: string[] = Array(Math.max(0, 8 - before.length - after.length)).fill('0')
  const first = [...before, ...zeros, ...after].slice(0, 4)
  return `${first.map((group) => Number.parseInt(group, 16).toString(16)).join(':')}::/64`
}

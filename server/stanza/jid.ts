/** Addresses, prepared and compared as RFC 7622 says. */

import { prepareDomain } from './domain.ts'
import { opaqueString, usernameCaseMapped } from './precis.ts'

/** A valid address in its normal form; absent parts are empty. `bare` and `full` are its texts, ready as map keys. */
export interface Jid {
  readonly local: string
  readonly domain: string
  readonly resource: string
  /** `local@domain` or `domain`. */
  readonly bare: string
  /** `bare/resource`, or `bare` when there is no resource. */
  readonly full: string
}

/** The text is no address; the message names the part at fault, never its content. */
export class JidError extends Error {
  override readonly name = 'JidError'
}

/** RFC 7622 §3.1: octets in each part, after preparation. */
const MAX_PART_BYTES = 1023
/** RFC 7622 §3.1: three parts and two separators. */
const MAX_JID_BYTES = 3 * MAX_PART_BYTES + 2

/** What is already in normal form and needs no table: ASCII without the characters of RFC 7622 §3.3.1. */
const ASCII_LOCAL = /^[a-z0-9!#$%()*+,\-.;=?[\\\]^_`{|}~]+$/
/** Printable ASCII without a leading space. RFC 7622 §3.5, example 18. */
const ASCII_RESOURCE = /^[!-~][ -~]*$/
/** Excluded though the profile allows them. RFC 7622 §3.3.1. */
const EXCLUDED_LOCAL = /["&'/:<>@]/

/**
 * Reads an address.
 * @throws JidError naming the part that is malformed
 * RFC 7622 §3.
 */
export function parseJid(text: string): Jid {
  const known = cache.get(text)
  if (known) return known
  if (text.length > MAX_JID_BYTES) throw new JidError('address too long')
  // RFC 7622 §3.2: first '/' ends the domain, then the first '@' before it begins it; before any transformation.
  const slash = text.indexOf('/')
  const bare = slash < 0 ? text : text.slice(0, slash)
  const at = bare.indexOf('@')
  if (at === 0) throw new JidError('empty local part')
  if (slash === text.length - 1 && slash >= 0) throw new JidError('empty resource')
  const jid = makeJid(at < 0 ? '' : bare.slice(0, at), bare.slice(at + 1), slash < 0 ? '' : text.slice(slash + 1))
  cache.set(own(text), jid)
  return jid
}

/** The address, or undefined when the text is none. */
export function tryParseJid(text: string): Jid | undefined {
  try {
    return parseJid(text)
  } catch (error) {
    if (error instanceof JidError) return undefined
    throw error
  }
}

/**
 * Prepares each part; an empty local part or resource is an absent one.
 * @throws JidError
 */
export function makeJid(local: string, domain: string, resource = ''): Jid {
  return assemble(prepareLocal(local), prepareDomainpart(domain), prepareResource(resource))
}

/** The address without its resource. */
export function bareJid(jid: Jid): Jid {
  return jid.resource === '' ? jid : placed(jid, '')
}

/**
 * The same bare JID with this resource, prepared.
 * @throws JidError
 */
export function withResource(jid: Jid, resource: string): Jid {
  return placed(jid, prepareResource(resource))
}

function assemble(local: string, domain: string, resource: string): Jid {
  const bare = own(local === '' ? domain : `${local}@${domain}`)
  return placed({ local: own(local), domain: own(domain), bare }, resource)
}

function placed({ local, domain, bare }: Pick<Jid, 'local' | 'domain' | 'bare'>, resource: string): Jid {
  const full = resource === '' ? bare : own(`${bare}/${resource}`)
  return { local, domain, resource: own(resource), bare, full }
}

/** RFC 7622 §3.3: UsernameCaseMapped without the excluded characters. */
function prepareLocal(local: string): string {
  if (local === '') return ''
  const prepared = ASCII_LOCAL.test(local) ? local : usernameCaseMapped(local)
  if (prepared === undefined || prepared === '' || EXCLUDED_LOCAL.test(prepared)) throw new JidError('local part')
  return bounded(prepared, 'local part')
}

function prepareDomainpart(domain: string): string {
  const prepared = prepareDomain(domain)
  if (prepared === undefined) throw new JidError('domain')
  return bounded(prepared, 'domain')
}

/** RFC 7622 §3.4: OpaqueString; §3.5, example 18: no leading space. */
function prepareResource(resource: string): string {
  if (resource === '') return ''
  const prepared = ASCII_RESOURCE.test(resource) ? resource : opaqueString(resource)
  if (prepared === undefined || prepared === '' || prepared.startsWith(' ')) throw new JidError('resource')
  return bounded(prepared, 'resource')
}

function bounded(part: string, name: string): string {
  // A UTF-16 unit is at most three octets of UTF-8, so short texts need no counting.
  if (part.length * 3 > MAX_PART_BYTES && Buffer.byteLength(part) > MAX_PART_BYTES) {
    throw new JidError(`${name} too long`)
  }
  return part
}

/**
 * The same text in memory of its own. A part cut from an attribute keeps the whole chunk that it was read from alive;
 * addresses live as long as sessions and caches do.
 */
function own(text: string): string {
  return text.length < 13 ? text : Buffer.from(text, 'utf8').toString('utf8')
}

/** Parsed addresses by text, in two generations: bounded, and a hit costs no reordering. */
class JidCache {
  static readonly #half = 4096
  #young = new Map<string, Jid>()
  #old = new Map<string, Jid>()

  get(text: string): Jid | undefined {
    const young = this.#young.get(text)
    if (young) return young
    const old = this.#old.get(text)
    if (old) this.set(text, old)
    return old
  }

  set(text: string, jid: Jid): void {
    if (this.#young.size >= JidCache.#half) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(text, jid)
  }
}

const cache = new JidCache()

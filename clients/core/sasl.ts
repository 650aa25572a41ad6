/** The client's side of SASL: SCRAM with and without channel binding, PLAIN only when asked for. RFC 5802, RFC 7677, RFC 9266, RFC 4616. */

import { createHash, createHmac, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { SaslError } from '../../server/stanza/errors.ts'

const pbkdf2Async = promisify(pbkdf2)

export interface SaslCredentials {
  /** The local part, prepared. */
  readonly username: string
  /** Prepared as OpaqueString (RFC 8265 §4.2). */
  readonly password: string
}

/** Channel binding data of the TLS connection. */
export interface ChannelBinding {
  readonly type: 'tls-exporter'
  readonly data: Buffer
}

/** One authentication in progress; data is what stands between the tags, decoded from base64. */
export interface SaslExchange {
  readonly mechanism: string
  initial(): string
  /** @throws SaslError when the server's challenge cannot be trusted */
  respond(challenge: string): Promise<string>
  /** Checks what came with `<success/>`. @throws SaslError when the server did not prove that it knows the password */
  finish(data: string): void
}

export interface SaslPolicy {
  /** PLAIN shows the password to the server, and being offered it alone is what an attacker would arrange. */
  readonly allowPlain?: boolean
  /** RFC 5802 §5.1: at least 4096. */
  readonly minIterations?: number
}

const HASHES = { 'SCRAM-SHA-512': 'sha512', 'SCRAM-SHA-256': 'sha256', 'SCRAM-SHA-1': 'sha1' } as const
type ScramName = keyof typeof HASHES
const PREFERENCE: readonly ScramName[] = ['SCRAM-SHA-512', 'SCRAM-SHA-256', 'SCRAM-SHA-1']
/** A server that asked for more would only want to burn our time. */
const MAX_ITERATIONS = 5_000_000

/**
 * The strongest mechanism that both sides know.
 * @param offered  as the server advertised them over TLS
 * @param binding  the connection's channel binding; undefined when it or the server has none
 * @throws SaslError mechanism-too-weak when nothing acceptable is offered
 */
export function startSasl(
  offered: readonly string[],
  credentials: SaslCredentials,
  binding: ChannelBinding | undefined,
  policy: SaslPolicy = {},
): SaslExchange {
  for (const name of PREFERENCE) {
    if (binding && offered.includes(`${name}-PLUS`)) return scram(name, credentials, { binding, plus: true }, policy)
  }
  for (const name of PREFERENCE) {
    if (offered.includes(name)) return scram(name, credentials, { binding, plus: false }, policy)
  }
  if (policy.allowPlain && offered.includes('PLAIN')) return plain(credentials)
  throw new SaslError('mechanism-too-weak', `no acceptable mechanism among: ${offered.join(', ') || 'none'}`)
}

interface Binding {
  readonly binding: ChannelBinding | undefined
  readonly plus: boolean
}

/**
 * SCRAM's three steps: first (nonce) -> server-first (salt, iterations) -> final (proof) -> server-final (signature).
 * @param nonce  for tests against the RFCs' examples
 * RFC 5802 §3, §5, §7.
 */
export function scram(
  name: ScramName,
  { username, password }: SaslCredentials,
  { binding, plus }: Binding,
  { minIterations = 4096 }: SaslPolicy = {},
  nonce = randomBytes(18).toString('base64'),
): SaslExchange {
  const hash = HASHES[name]
  // RFC 5802 §6: `y` tells the server that we could bind but saw no -PLUS, so that it notices a downgrade.
  const gs2 = plus && binding ? `p=${binding.type},,` : binding ? 'y,,' : 'n,,'
  const firstBare = `n=${escapeName(username)},r=${nonce}`
  const cbind = Buffer.concat([Buffer.from(gs2), plus && binding ? binding.data : Buffer.alloc(0)]).toString('base64')
  let serverSignature: Buffer | undefined
  let verified = false

  return {
    mechanism: plus ? `${name}-PLUS` : name,
    initial: () => gs2 + firstBare,
    async respond(challenge) {
      if (serverSignature) {
        // RFC 6120 §6.4.6: the signature may also come as a last challenge, answered with an empty response.
        verifySignature(challenge, serverSignature)
        verified = true
        return ''
      }
      const { r, s, i, m } = attributesOf(challenge)
      if (m !== undefined) throw new SaslError('malformed-request', 'the server asks for an unknown SCRAM extension')
      const iterations = i !== undefined && /^[1-9][0-9]*$/.test(i) ? Number(i) : 0
      if (r === undefined || s === undefined || iterations === 0) {
        throw new SaslError('malformed-request', 'the server sent a malformed SCRAM challenge')
      }
      if (!r.startsWith(nonce) || r.length === nonce.length) {
        throw new SaslError('not-authorized', "the server's nonce does not continue ours")
      }
      if (iterations < minIterations || iterations > MAX_ITERATIONS) {
        throw new SaslError('mechanism-too-weak', `the server asks for ${iterations} iterations`)
      }
      const salted = await pbkdf2Async(
        password,
        Buffer.from(s, 'base64'),
        iterations,
        createHash(hash).digest().length,
        hash,
      )
      const clientKey = hmac(hash, salted, 'Client Key')
      const storedKey = createHash(hash).update(clientKey).digest()
      const withoutProof = `c=${cbind},r=${r}`
      const authMessage = `${firstBare},${challenge},${withoutProof}`
      const signature = hmac(hash, storedKey, authMessage)
      serverSignature = hmac(hash, hmac(hash, salted, 'Server Key'), authMessage)
      return `${withoutProof},p=${xor(clientKey, signature).toString('base64')}`
    },
    finish(data) {
      if (verified && data === '') return
      if (!serverSignature) throw new SaslError('not-authorized', 'the server claims success without a challenge')
      verifySignature(data, serverSignature)
    },
  }
}

/** RFC 4616 §2. */
function plain({ username, password }: SaslCredentials): SaslExchange {
  return {
    mechanism: 'PLAIN',
    initial: () => `\0${username}\0${password}`,
    respond: () => Promise.reject(new SaslError('malformed-request', 'PLAIN has no challenge')),
    finish: () => undefined,
  }
}

function verifySignature(text: string, expected: Buffer): void {
  const { v, e } = attributesOf(text)
  if (e !== undefined) throw new SaslError('not-authorized', `the server reports ${e}`)
  const given = Buffer.from(v ?? '', 'base64')
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
    throw new SaslError('not-authorized', "the server's signature is wrong: it does not know the password")
  }
}

/** `a=1,b=2` to a record; values may hold `=`. RFC 5802 §5.1. */
function attributesOf(message: string): Readonly<Partial<Record<string, string>>> {
  const attributes: Partial<Record<string, string>> = Object.create(null)
  for (const part of message.split(',')) {
    if (part[1] === '=') attributes[part.charAt(0)] = part.slice(2)
  }
  return attributes
}

/** RFC 5802 §5.1: `,` and `=` in a name. */
function escapeName(name: string): string {
  return name.replaceAll('=', '=3D').replaceAll(',', '=2C')
}

function hmac(hash: string, key: Buffer, text: string): Buffer {
  return createHmac(hash, key).update(text).digest()
}

function xor(a: Buffer, b: Buffer): Buffer {
  return Buffer.from(a.map((byte, index) => byte ^ (b[index] ?? 0)))
}

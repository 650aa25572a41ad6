/** SCRAM's key derivation and the primitives under it. RFC 5802 §2.2, §3; RFC 7677. */

import { hash as digest, pbkdf2, randomBytes, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

export const SCRAM_HASHES = ['sha1', 'sha256', 'sha512'] as const
export type ScramHash = (typeof SCRAM_HASHES)[number]

/** What is kept instead of a password; binary values are base64. RFC 5802 §3. */
export interface ScramKeys {
  readonly hash: ScramHash
  readonly salt: string
  readonly iterations: number
  readonly storedKey: string
  readonly serverKey: string
}

/** Bytes of the digest and of its block. */
export const SIZES: Readonly<Record<ScramHash, { readonly digest: number; readonly block: number }>> = {
  sha1: { digest: 20, block: 64 },
  sha256: { digest: 32, block: 64 },
  sha512: { digest: 64, block: 128 },
}

export const SALT_BYTES = 16
const stretch = promisify(pbkdf2)

export function newSalt(): string {
  return randomBytes(SALT_BYTES).toString('base64')
}

/**
 * Derives what a server keeps from a password; the work is done on a thread of Node's pool.
 * @param password  prepared (OpaqueString)
 * @param salt  base64
 */
export async function deriveKeys(
  hash: ScramHash,
  password: string,
  salt: string,
  iterations: number,
): Promise<ScramKeys> {
  const salted = await stretch(password, Buffer.from(salt, 'base64'), iterations, SIZES[hash].digest, hash)
  return keysOf(hash, salted, salt, iterations)
}

/** The same from what PBKDF2 gives, RFC 5802's SaltedPassword. */
export function keysOf(hash: ScramHash, salted: Buffer, salt: string, iterations: number): ScramKeys {
  const storedKey = digest(hash, hmac(hash, salted, 'Client Key'), 'base64')
  return { hash, salt, iterations, storedKey, serverKey: hmac(hash, salted, 'Server Key').toString('base64') }
}

/** HMAC of UTF-8 text, RFC 2104. Built of one-shot hashes, which cost a quarter of a `createHmac` object. */
export function hmac(hash: ScramHash, key: Buffer, text: string): Buffer {
  const { block, digest: size } = SIZES[hash]
  const short = key.length > block ? digest(hash, key, 'buffer') : key
  const inner = Buffer.alloc(block + Buffer.byteLength(text), 0x36)
  const outer = Buffer.alloc(block + size, 0x5c)
  for (let at = 0; at < short.length; at++) {
    // In bounds.
    const byte = short[at] ?? 0
    inner[at] = byte ^ 0x36
    outer[at] = byte ^ 0x5c
  }
  inner.write(text, block)
  // Through text: a digest as a Buffer costs three times as much.
  outer.write(digest(hash, inner, 'binary'), block, 'binary')
  return Buffer.from(digest(hash, outer, 'binary'), 'binary')
}

/** Compares in a time that tells nothing of the contents. */
export function isEqual(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

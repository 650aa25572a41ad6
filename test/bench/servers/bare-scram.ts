/** The server's side of RFC 5802 for the bare server's accounts, which all have one password. */

import { createHash, createHmac, randomBytes } from 'node:crypto'

/** All in base64 but the count. */
export interface BareAccounts {
  readonly salt: string
  readonly iterations: number
  readonly storedKey: string
  readonly serverKey: string
}

export class BareLogin {
  readonly user: string
  /** What the client is asked. */
  readonly challenge: string
  readonly #accounts: BareAccounts
  readonly #clientFirst: string
  readonly #nonce: string

  constructor(accounts: BareAccounts, initial: string) {
    this.#accounts = accounts
    this.#clientFirst = initial.slice('n,,'.length)
    const [, user = '', nonce = ''] = /^n=([^,]*),r=(.*)$/.exec(this.#clientFirst) ?? []
    this.user = user
    this.#nonce = nonce + randomBytes(18).toString('base64')
    this.challenge = `r=${this.#nonce},s=${accounts.salt},i=${accounts.iterations}`
  }

  /** The server's signature. @throws Error when the password is another */
  finish(response: string): string {
    const [, withoutProof = '', proof = ''] = /^(.*),p=(.*)$/.exec(response) ?? []
    const stored = Buffer.from(this.#accounts.storedKey, 'base64')
    const messages = `${this.#clientFirst},${this.challenge},${withoutProof}`
    const signature = hmacSha1(stored, messages)
    const clientKey = Buffer.from(proof, 'base64').map((byte, at) => byte ^ (signature[at] ?? 0))
    if (!sha1(clientKey).equals(stored) || !withoutProof.endsWith(this.#nonce)) throw new Error('another password')
    return `v=${hmacSha1(Buffer.from(this.#accounts.serverKey, 'base64'), messages).toString('base64')}`
  }
}

export function storedKeyOf(salted: Buffer): Buffer {
  return sha1(hmacSha1(salted, 'Client Key'))
}

export function hmacSha1(key: Buffer, text: string): Buffer {
  return createHmac('sha1', key).update(text).digest()
}

function sha1(data: Uint8Array): Buffer {
  return createHash('sha1').update(data).digest()
}

/**
 * The ids by which items are paged: a position, encrypted, so that it tells nobody how much is published elsewhere and is
 * hardly ever an item's own id too. XEP-0059 §2.2; XEP-0313 §3: unpredictable, never used again.
 */

import { type Cipheriv, createCipheriv, createDecipheriv, type Decipheriv, randomBytes } from 'node:crypto'
import type { Position } from './store.ts'

const ALGORITHM = 'aes-128-ecb'
/** AES's block: six bytes of each number, and four that are zero. */
const BLOCK_BYTES = 16
const NUMBER_BYTES = 6
const CHARS = 22

/** A new key, in hexadecimal. */
export function newCursorKey(): string {
  return randomBytes(16).toString('hex')
}

export class Cursors {
  readonly #cipher: Cipheriv
  readonly #decipher: Decipheriv

  constructor(key: string) {
    const bytes = Buffer.from(key, 'hex')
    // One block at a time, each by itself: the same objects serve for all.
    this.#cipher = createCipheriv(ALGORITHM, bytes, null).setAutoPadding(false)
    this.#decipher = createDecipheriv(ALGORITHM, bytes, null).setAutoPadding(false)
  }

  encode({ seq, creation }: Position): string {
    const block = Buffer.alloc(BLOCK_BYTES)
    block.writeUIntBE(seq, 0, NUMBER_BYTES)
    block.writeUIntBE(creation, NUMBER_BYTES, NUMBER_BYTES)
    return this.#cipher.update(block).toString('base64url')
  }

  /** Undefined: the text is no cursor, and so an item's id. */
  decode(text: string): Position | undefined {
    if (text.length !== CHARS) return undefined
    const bytes = Buffer.from(text, 'base64url')
    if (bytes.length !== BLOCK_BYTES) return undefined
    const block = this.#decipher.update(bytes)
    if (block.length !== BLOCK_BYTES || block.readUInt32BE(2 * NUMBER_BYTES) !== 0) return undefined
    const position = { seq: block.readUIntBE(0, NUMBER_BYTES), creation: block.readUIntBE(NUMBER_BYTES, NUMBER_BYTES) }
    return position.creation <= position.seq ? position : undefined
  }
}

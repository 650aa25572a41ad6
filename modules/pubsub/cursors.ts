/**
 * The ids by which items are paged: a position, encrypted, so that it tells nobody how much is published elsewhere and is
 * hardly ever an item's own id too. XEP-0059 §2.2; XEP-0313 §3: unpredictable, never used again.
 */

import { type Cipheriv, createCipheriv, createDecipheriv, type Decipheriv, hash, randomBytes } from 'node:crypto'
import type { Position } from './records.ts'

const ALGORITHM = 'aes-128-ecb'
const KEY_BYTES = 16
/** AES's block: six bytes of each number, and four that are zero. */
const BLOCK_BYTES = 16
const NUMBER_BYTES = 6
const CHARS = 22

/** A new key, in hexadecimal. */
export function newCursorKey(): string {
  return randomBytes(KEY_BYTES).toString('hex')
}

export class Cursors {
  readonly #cipher: Cipheriv
  readonly #decipher: Decipheriv

  /** @param epoch  of the storage: a place of before a restore is none now, for its number may be given a second time */
  constructor(key: string, epoch: number) {
    const bytes =
      epoch === 0 ? Buffer.from(key, 'hex') : hash('sha256', `${key} ${epoch}`, 'buffer').subarray(0, KEY_BYTES)
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

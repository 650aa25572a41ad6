/** Bytes to text at chunk borders, refusing what is not UTF-8. RFC 3629, RFC 6120 §11.6, DESIGN decision 4. */

import { isAscii, isUtf8 } from 'node:buffer'

const EMPTY = Buffer.alloc(0)

/** Decodes a stream of chunks. After `broken` is set, nothing more comes out. */
export class Utf8Decoder {
  /** The beginning of a character whose end has not come yet: three bytes at most. */
  #carry = EMPTY
  #broken = false
  #isAscii = true

  /** True once the input has proved not to be UTF-8; the text before that place has been handed out. */
  get broken(): boolean {
    return this.#broken
  }

  /** True when the input so far ends inside a character. */
  get isInside(): boolean {
    return this.#carry.length > 0
  }

  /** True when the text that `decode` gave last has as many bytes as characters. */
  get isAscii(): boolean {
    return this.#isAscii
  }

  decode(chunk: Buffer): string {
    if (this.#broken) return ''
    this.#isAscii = this.#carry.length === 0 && isAscii(chunk)
    if (this.#isAscii) return chunk.toString('latin1')
    const bytes = this.#carry.length === 0 ? chunk : Buffer.concat([this.#carry, chunk])
    const whole = bytes.length - tailLength(bytes)
    const head = bytes.subarray(0, whole)
    if (isUtf8(head)) {
      // Copied: the chunk's memory may be used again by its owner.
      this.#carry = whole === bytes.length ? EMPTY : Buffer.from(bytes.subarray(whole))
      return head.toString('utf8')
    }
    this.#broken = true
    this.#carry = EMPTY
    return head.toString('utf8', 0, validLength(head))
  }
}

/** How many bytes at the end are the beginning of a character. */
function tailLength(bytes: Buffer): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back] ?? 0
    if (byte < 0x80) return 0
    // A lead byte: it begins a tail when it announces more bytes than there are.
    if (byte >= 0xc0) return sequenceLength(byte) > back ? back : 0
  }
  return 0
}

/** Bytes of the character that this one leads; 1 for a byte that leads none. RFC 3629 §4. */
function sequenceLength(lead: number): number {
  if (lead >= 0xc2 && lead <= 0xdf) return 2
  if (lead >= 0xe0 && lead <= 0xef) return 3
  return lead >= 0xf0 && lead <= 0xf4 ? 4 : 1
}

/** The length of the longest beginning that is UTF-8; walks byte by byte, but only once in a stream's life. */
function validLength(bytes: Buffer): number {
  let at = 0
  while (at < bytes.length) {
    const lead = bytes[at] ?? 0
    const length = sequenceLength(lead)
    if (lead >= 0x80 && (length === 1 || !isUtf8(bytes.subarray(at, at + length)))) break
    at += length
  }
  return at
}

/** Names and namespaces that come again and again: each is one string, found without making it anew out of the input. */

/** Characters as numbers, one for each UTF-16 unit of a text. */
export type Codes = Uint8Array | Uint16Array

interface Spelling {
  readonly text: string
  readonly codes: Uint16Array
}

/** Longer ones are not kept. */
const MAX_LENGTH = 64
/** A power of two. What falls on a place takes it from whatever was there. */
const PLACES = 1024
const NONE: Spelling = { text: '', codes: new Uint16Array() }

export class Spellings {
  readonly #known: Spelling[] = new Array<Spelling>(PLACES).fill(NONE)
  /** The hash of what was last asked for in vain, by place: keeping a spelling costs something, so it is for those that return. */
  readonly #asked = new Int32Array(PLACES)

  /** `text.slice(from, to)`; `codes` are those of `text`. */
  of(text: string, codes: Codes, from: number, to: number): string {
    const length = to - from
    const [first, middle, last] = [codes[from] ?? 0, codes[from + (length >> 1)] ?? 0, codes[to - 1] ?? 0]
    const place = (((first * 31 + middle) * 31 + last) * 31 + length) & (PLACES - 1)
    const known = this.#known[place] ?? NONE
    if (isAt(known.codes, codes, from, length)) return known.text
    const slice = text.slice(from, to)
    if (length > MAX_LENGTH) return slice
    const hash = hashOf(codes, from, to)
    if (this.#asked[place] !== hash) {
      this.#asked[place] = hash
      return slice
    }
    this.#known[place] = { text: unique(slice), codes: Uint16Array.from(codes.subarray(from, to)) }
    return slice
  }
}

function hashOf(codes: Codes, from: number, to: number): number {
  let hash = 0
  for (let at = from; at < to; at++) hash = (Math.imul(hash, 31) + (codes[at] ?? 0)) | 0
  return hash
}

function isAt(known: Uint16Array, codes: Codes, from: number, length: number): boolean {
  if (known.length !== length) return false
  for (let i = 0; i < length; i++) if (known[i] !== codes[from + i]) return false
  return true
}

/** The same text as names of properties have it: the one string of its content, its hash known, and no part of a chunk of input. */
export function unique(text: string): string {
  return Object.keys({ [text]: 0 })[0] ?? text
}

/** Names and namespaces that come again and again: each is one string, found without making it anew out of the input. */

/** Characters as numbers, one for each UTF-16 unit of a text. */
export type Codes = Uint8Array | Uint16Array

export interface Spelling {
  readonly text: string
  readonly codes: Uint16Array
}

/** Longer ones are not kept. */
const MAX_LENGTH = 64
/** A power of two. What falls on a place takes it from whatever was there. */
const PLACES = 1024

export class Spellings {
  readonly #known: Spelling[] = new Array<Spelling>(PLACES).fill({ text: '', codes: new Uint16Array() })

  /** `text.slice(from, to)`; `codes` are those of `text`. */
  of(text: string, codes: Codes, from: number, to: number): Spelling {
    const length = to - from
    const [first, middle, last] = [codes[from] ?? 0, codes[from + (length >> 1)] ?? 0, codes[to - 1] ?? 0]
    const place = (((first * 31 + middle) * 31 + last) * 31 + length) & (PLACES - 1)
    const known = this.#known[place]
    if (known && isAt(known, codes, from, length)) return known
    const spelling = spellingOf(text.slice(from, to))
    if (length <= MAX_LENGTH) this.#known[place] = spelling
    return spelling
  }
}

export function isAt({ codes: known }: Spelling, codes: Codes, from: number, length: number): boolean {
  if (known.length !== length) return false
  for (let i = 0; i < length; i++) if (known[i] !== codes[from + i]) return false
  return true
}

export function spellingOf(text: string): Spelling {
  // The name of a property is the one string of its content, with its hash, and keeps no chunk of input alive.
  const own = Object.keys({ [text]: 0 })[0] ?? text
  return { text: own, codes: Uint16Array.from({ length: own.length }, (_, at) => own.charCodeAt(at)) }
}

/** A name, a value or text as it is read: where it begins, and what of it the ends of earlier texts cut off. */

/** Pieces after which they are joined, so that what drips in takes no more memory than its length. */
const JOIN_EVERY = 1024

export class Token {
  /** Where it begins in the text being read. */
  mark = 0
  /** Characters from earlier texts. */
  savedLength = 0
  /** It holds white space that is to be normalised. */
  isUneven = false
  /** What is from earlier texts: joined, and what has come since. */
  #saved = ''
  #pieces: string[] = []
  /** `]` at the end of that, two at most: for `]]>`. */
  #brackets = 0

  begin(at: number): void {
    this.mark = at
    this.isUneven = false
    if (this.savedLength > 0) this.forget()
  }

  /** The text ends at `at`, within the token. */
  save(text: string, at: number): void {
    const piece = text.slice(this.mark, at)
    this.mark = at
    if (piece === '') return
    const length = piece.length
    if (!piece.endsWith(']')) this.#brackets = 0
    else if (length > 1) this.#brackets = piece.endsWith(']]') ? 2 : 1
    else this.#brackets = Math.min(2, this.#brackets + 1)
    this.savedLength += length
    if (this.#pieces.push(piece) === JOIN_EVERY) this.#join()
  }

  /** The token, which ends at `at`, from its beginning. */
  take(text: string, at: number): string {
    const piece = text.slice(this.mark, at)
    if (this.savedLength === 0) return piece
    this.#join()
    const token = this.#saved + piece
    this.forget()
    return token
  }

  /** As text, its line ends made one. XML 1.0 §2.11. */
  takeText(text: string, at: number): string {
    const token = this.take(text, at)
    return this.isUneven ? token.replace(/\r\n?/g, '\n') : token
  }

  /** As a piece of an attribute's value, its white space made spaces. XML 1.0 §3.3.3. */
  takeValue(text: string, at: number): string {
    const token = this.take(text, at)
    return this.isUneven ? token.replace(/\r\n|[\t\n\r]/g, ' ') : token
  }

  /** True when the two characters before the one at `at` are `]]`, both in this token. */
  endsInBrackets(text: string, at: number): boolean {
    const own = at - this.mark
    if (own === 0) return this.#brackets === 2
    if (text.charCodeAt(at - 1) !== 0x5d) return false
    return own === 1 ? this.#brackets >= 1 : text.charCodeAt(at - 2) === 0x5d
  }

  forget(): void {
    this.#saved = ''
    this.savedLength = 0
    this.#brackets = 0
    if (this.#pieces.length > 0) this.#pieces = []
  }

  #join(): void {
    this.#saved += this.#pieces.join('')
    this.#pieces = []
  }
}

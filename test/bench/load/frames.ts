/** Cuts what a server sends into stanzas as cheaply as the load needs it; no parser, and no judge of well-formedness. */

/**
 * A stanza is found by its start tag and the first end tag of the same name. That holds for what the benches provoke:
 * no stanza inside a stanza, and no bare `>` in an attribute, which no server writes.
 */
export class FrameReader {
  readonly #onFrame: (frame: string) => void
  #rest = ''
  /** Where in `#rest` the search for the end goes on: what drips in is not scanned again. */
  #searched = 0

  constructor(onFrame: (frame: string) => void) {
    this.#onFrame = onFrame
  }

  write(chunk: Buffer): void {
    const text = this.#rest === '' ? chunk.toString('latin1') : this.#rest + chunk.toString('latin1')
    let at = 0
    for (;;) {
      const start = text.indexOf('<', at)
      if (start < 0) {
        at = text.length
        break
      }
      const end = this.#endOf(text, start, start === 0 ? this.#searched : 0)
      if (end < 0) {
        at = start
        break
      }
      this.#searched = 0
      at = end
      this.#onFrame(start === 0 && end === text.length ? text : text.slice(start, end))
    }
    this.#rest = at === 0 ? text : text.slice(at)
    this.#searched = this.#rest === '' ? 0 : Math.max(0, this.#rest.length - MAX_END_TAG)
  }

  #endOf(text: string, start: number, searched: number): number {
    const tagEnd = text.indexOf('>', start)
    if (tagEnd < 0) return -1
    const last = text.charCodeAt(tagEnd - 1)
    // An empty element, the XML declaration, the stream's closing tag, and its opening tag, which nothing here ends.
    if (last === SLASH || last === QUESTION || text.charCodeAt(start + 1) === SLASH) return tagEnd + 1
    const name = nameAt(text, start + 1, tagEnd)
    if (name === 'stream:stream') return tagEnd + 1
    const closing = `</${name}>`
    const end = text.indexOf(closing, Math.max(tagEnd + 1, searched))
    return end < 0 ? -1 : end + closing.length
  }
}

const SLASH = 0x2f
const QUESTION = 0x3f
/** No name that is waited for is longer. */
const MAX_END_TAG = 64

function nameAt(text: string, start: number, tagEnd: number): string {
  let end = start
  while (end < tagEnd && text.charCodeAt(end) > 0x20) end++
  return text.slice(start, end)
}

/** The value of an attribute of the frame's own start tag, as it stands there. */
export function attributeOf(frame: string, name: string): string | undefined {
  const tagEnd = frame.indexOf('>')
  const at = frame.indexOf(` ${name}=`)
  if (at < 0 || at > tagEnd) return undefined
  const from = at + name.length + 3
  const end = frame.indexOf(frame.charAt(from - 1), from)
  return end < 0 ? undefined : frame.slice(from, end)
}

/**
 * The state machine that turns text into tags: XML 1.0 without comments, processing instructions, DTD and entities
 * (RFC 6120 §11.1). It may stop after any character and goes on there; nothing is looked at twice.
 *
 * Text comes in pieces by `feed`. `next` reads on until something is complete for its caller (Event), or until the
 * text is used up. What is cut off by the end of a piece (a name, a value, text) is carried by its Token.
 */

import { StreamError } from '../stanza/errors.ts'
import { isNameChar, isNameStart, isXmlChar } from './names.ts'
import { quickReader, type Readable, readable } from './quick.ts'
import { checkDeclaration, fault, illegal, MAX_DECLARATION, resolveReference } from './syntax.ts'
import { Token } from './token.ts'
import { beyond, type ParserLimits, TreeBuilder } from './tree.ts'

/** What `next` found. */
export const NEED_INPUT = 0
export const ROOT_OPENED = 1
export const STANZA = 2
export const ROOT_CLOSED = 3
const WHITESPACE = 4
export type Event = 0 | 1 | 2 | 3 | 4

// Where the machine is. The first four are where no tag is being read.
const PROLOG = 0 // before the root
const BETWEEN = 1 // between the stanzas of a stream
const CONTENT = 2 // inside an element
const EPILOG = 3 // after the root
const LESS_THAN = 4 // after <
const OPEN_NAME = 5
const AFTER_PART = 6 // after a start tag's name or a value: space, / or >
const IN_TAG = 7 // after that space: a name, / or >
const ATTRIBUTE_NAME = 8
const EQUALS = 9
const QUOTE = 10
const VALUE = 11
const SLASH = 12 // after / of an empty element
const CLOSE_START = 13 // after </
const CLOSE_NAME = 14
const CLOSE_END = 15
const BANG = 16 // after <!
const BANG_DASH = 17 // after <!-
const CDATA_OPEN = 18 // within <![CDATA[
const CDATA = 19
const REFERENCE = 20 // after &
const DECLARATION_TARGET = 21 // within <?xml
const DECLARATION = 22

const CDATA_MARK = 'CDATA['
const DECLARATION_MARK = '?xml'
const TAB = 0x09
const LINE_FEED = 0x0a
const RETURN = 0x0d
const SPACE = 0x20

/** ASCII that may begin a name, that may stand in one (the colon too), and that text and values stop at. */
const NAME_STARTS = new Uint8Array(128)
const NAME_CHARS = new Uint8Array(128)
const STOPS = new Uint8Array(64)
for (let c = 0; c < 128; c++) {
  if (isNameStart(c)) NAME_STARTS[c] = 1
  if (isNameChar(c) || c === 0x3a) NAME_CHARS[c] = 1
}
for (let c = 0; c < SPACE; c++) STOPS[c] = 1
for (const char of '"&\'<>') STOPS[char.charCodeAt(0)] = 1

export class Tokenizer {
  readonly tree: TreeBuilder
  readonly #isStream: boolean
  /** `#text`, for the quick reader; made when it is needed. */
  #readable: Readable | undefined
  #text = ''
  #isAscii = true
  #at = 0
  #state = PROLOG
  /** The state to go back to after a tag or a reference. */
  #home = PROLOG
  /** What is being read of a tag, a value or text. */
  readonly #token = new Token()
  /** The part of the value or text whose references are resolved. */
  #done = ''
  #attribute = ''
  #quote = 0
  #matched = 0
  /** Nothing has been read of this document. */
  #isFirst = true
  /** Another document came before: white space that ended it may come late. */
  #isRestarted = false
  #isRootEmpty = false
  /** Where the stanza being read begins in `#text`, and its bytes from earlier pieces. */
  #stanzaFrom = 0
  #stanzaBytes = 0

  constructor(limits: ParserLimits, isStream: boolean) {
    this.tree = new TreeBuilder(limits, isStream)
    this.#isStream = isStream
  }

  /** Bytes read of the stanza, or of the stream's opening tag, that is not complete. */
  get stanzaBytes(): number {
    return this.#isOutside ? 0 : this.#stanzaBytes + this.#bytes(this.#stanzaFrom, this.#at)
  }

  get hasRest(): boolean {
    return this.#at < this.#text.length
  }

  /** Something other than white space has not been read. */
  get hasMoreThanSpace(): boolean {
    let at = this.#at
    while (at < this.#text.length && isSpace(this.#text.charCodeAt(at))) at++
    return at < this.#text.length
  }

  /** True where a document may end: nothing begun, or between two stanzas, or after the root. */
  get isOutside(): boolean {
    return this.#isOutside
  }

  /** Takes the text that has not been read. */
  takeRest(): string {
    const rest = this.#text.slice(this.#at)
    this.#forgetText()
    return rest
  }

  /**
   * Adds text after what is not read yet.
   * @param bytes  the text's, when it is ASCII and they do not change any more
   */
  feed(text: string, isAscii: boolean, bytes?: Uint8Array): void {
    this.#readable = undefined
    if (this.hasRest) {
      // Only while its caller has stopped between two stanzas, where no token is cut.
      this.#text = this.#text.slice(this.#at) + text
      this.#isAscii &&= isAscii
    } else {
      this.#text = text
      this.#isAscii = isAscii
      if (bytes) this.#readable = readable(text, bytes)
    }
    this.#at = 0
    this.#token.mark = 0
    this.#stanzaFrom = 0
  }

  /** A new document follows, in the text that is left or to come. */
  reset(): void {
    this.tree.reset()
    this.#state = PROLOG
    this.#home = PROLOG
    this.#token.forget()
    this.#done = ''
    this.#isFirst = true
    this.#isRestarted = true
    this.#isRootEmpty = false
    this.#stanzaBytes = 0
  }

  /**
   * Reads on to the next complete thing.
   * @throws StreamError at the first fault; the machine is of no use after it
   */
  next(): Event {
    if (this.#state === BETWEEN && this.#readQuickly()) return STANZA
    try {
      const event = this.#read()
      if (event === STANZA || event === ROOT_OPENED || event === ROOT_CLOSED) {
        this.#checkSize(this.#stanzaBytes + this.#bytes(this.#stanzaFrom, this.#at))
        this.#stanzaBytes = 0
      } else if (event === NEED_INPUT) {
        this.#save()
        this.#forgetText()
      }
      return event
    } catch (error) {
      // A fault beyond the limit is not read, wherever the input was cut: the size is the fault.
      if (error instanceof StreamError && !this.#isOutside) {
        this.#checkSize(this.#stanzaBytes + this.#bytes(this.#stanzaFrom, this.#at))
      }
      throw error
    }
  }

  /** A stanza that lies whole in this text, when it is one like most. False: nothing has been read. */
  #readQuickly(): boolean {
    const { tree } = this
    if (!this.hasRest || this.#isRootEmpty || !tree.root) return false
    this.#readable ??= readable(this.#text)
    const stanza = quickReader.read(this.#readable, this.#at, tree.root, tree.limits)
    if (!stanza) return false
    this.#at = quickReader.end
    tree.closed = stanza
    return true
  }

  get #isOutside(): boolean {
    return this.#state === PROLOG || this.#state === BETWEEN || this.#state === EPILOG
  }

  #bytes(from: number, to: number): number {
    return this.#isAscii ? to - from : Buffer.byteLength(this.#text.slice(from, to))
  }

  #checkSize(bytes: number): void {
    const { maxStanzaBytes } = this.tree.limits
    if (bytes > maxStanzaBytes) throw beyond('maxStanzaBytes', maxStanzaBytes)
  }

  /** The text is used up: carries what is begun. */
  #save(): void {
    if (this.#isOutside) return
    this.#stanzaBytes += this.#bytes(this.#stanzaFrom, this.#at)
    this.#stanzaFrom = this.#at
    this.#checkSize(this.#stanzaBytes)
    switch (this.#state) {
      case CONTENT:
      case CDATA:
      case VALUE:
      case OPEN_NAME:
      case CLOSE_NAME:
      case ATTRIBUTE_NAME:
      case REFERENCE:
      case DECLARATION:
        this.#saveToken()
    }
  }

  /** An idle connection keeps no input alive. */
  #forgetText(): void {
    this.#text = ''
    this.#readable = undefined
    this.#at = 0
    this.#token.mark = 0
    this.#stanzaFrom = 0
  }

  #saveToken(): void {
    this.#token.save(this.#text, this.#at)
    const max = this.tree.limits.maxNameLength
    const isName = this.#state !== CONTENT && this.#state !== CDATA && this.#state !== VALUE
    if (isName && this.#token.savedLength > (this.#state === DECLARATION ? MAX_DECLARATION : max)) {
      throw this.#state === DECLARATION
        ? fault('not-well-formed', 'a long XML declaration')
        : beyond('maxNameLength', max)
    }
  }

  /** A name that ends here. */
  #takeName(): string {
    const name = this.#token.take(this.#text, this.#at)
    const max = this.tree.limits.maxNameLength
    if (name.length > max) throw beyond('maxNameLength', max)
    return name
  }

  #read(): Event {
    if (this.#isRootEmpty) {
      this.#isRootEmpty = false
      this.tree.closeEmpty()
      this.#state = EPILOG
      return ROOT_CLOSED
    }
    const text = this.#text
    const end = text.length
    while (this.#at < end) {
      const at = this.#at
      const c = text.charCodeAt(at)
      switch (this.#state) {
        case CONTENT: {
          let i = at
          let stop = c
          while (stop > 0x3f ? stop < 0xfffe : STOPS[stop] !== 1 || stop === 0x22 || stop === 0x27) {
            if (++i === end) break
            stop = text.charCodeAt(i)
          }
          this.#at = i
          if (i === end) break
          if (stop === 0x3c) {
            this.#done += this.#token.takeText(text, i)
            this.#home = CONTENT
            this.#state = LESS_THAN
          } else if (stop === 0x26) {
            this.#done += this.#token.takeText(text, i)
            this.#home = CONTENT
            this.#state = REFERENCE
            this.#token.begin(i + 1)
          } else if (stop === 0x3e) {
            if (this.#token.endsInBrackets(text, i)) throw fault('not-well-formed', ']]> in text')
          } else if (stop === RETURN) {
            this.#token.isUneven = true
          } else if (stop !== TAB && stop !== LINE_FEED) {
            throw illegal()
          }
          this.#at = i + 1
          break
        }

        case VALUE: {
          const quote = this.#quote
          let i = at
          let stop = c
          while (stop > 0x3f ? stop < 0xfffe : STOPS[stop] !== 1) {
            if (++i === end) break
            stop = text.charCodeAt(i)
          }
          this.#at = i
          if (i === end) break
          if (stop === quote) {
            this.tree.attribute(this.#attribute, this.#done + this.#token.takeValue(text, i))
            this.#done = ''
            this.#state = AFTER_PART
          } else if (stop === 0x26) {
            this.#done += this.#token.takeValue(text, i)
            this.#home = VALUE
            this.#state = REFERENCE
            this.#token.begin(i + 1)
          } else if (stop === 0x3c) {
            throw fault('not-well-formed', '< in an attribute')
          } else if (stop === TAB || stop === LINE_FEED || stop === RETURN) {
            this.#token.isUneven = true
          } else if (stop < SPACE || stop >= 0xfffe) {
            throw illegal()
          }
          this.#at = i + 1
          break
        }

        case OPEN_NAME:
          if (!this.#skipName(text, end)) break
          this.tree.open(this.#takeName())
          this.#state = AFTER_PART
          break

        case CLOSE_NAME:
          if (!this.#skipName(text, end)) break
          this.#attribute = this.#takeName()
          this.#state = CLOSE_END
          break

        case ATTRIBUTE_NAME:
          if (!this.#skipName(text, end)) break
          this.#attribute = this.#takeName()
          this.#state = EQUALS
          break

        case AFTER_PART:
        case IN_TAG:
          if (isSpace(c)) {
            this.#state = IN_TAG
          } else if (c === 0x3e) {
            this.#at = at + 1
            this.tree.opened()
            const event = this.#afterTag(true)
            if (event !== NEED_INPUT) return event
            break
          } else if (c === 0x2f) {
            this.#state = SLASH
          } else if (this.#state === IN_TAG && beginsName(text, at, c)) {
            this.#state = ATTRIBUTE_NAME
            this.#token.begin(at)
            break
          } else {
            throw fault('not-well-formed', 'a start tag with something else than attributes')
          }
          this.#at = at + 1
          break

        case EQUALS:
          if (c === 0x3d) this.#state = QUOTE
          else if (!isSpace(c)) throw fault('not-well-formed', 'an attribute without a value')
          this.#at = at + 1
          break

        case QUOTE:
          if (c === 0x22 || c === 0x27) {
            this.#quote = c
            this.#state = VALUE
            this.#done = ''
            this.#token.begin(at + 1)
          } else if (!isSpace(c)) {
            throw fault('not-well-formed', 'an attribute without quotes')
          }
          this.#at = at + 1
          break

        case SLASH: {
          if (c !== 0x3e) throw fault('not-well-formed', '/ within a start tag')
          this.#at = at + 1
          this.tree.opened()
          if (this.#isStream && this.tree.depth === 1) {
            // An empty root: its end is told by the call after this.
            this.#isRootEmpty = true
            this.#state = BETWEEN
            return ROOT_OPENED
          }
          this.tree.closeEmpty()
          const event = this.#afterTag(false)
          if (event !== NEED_INPUT) return event
          break
        }

        case LESS_THAN:
          if (c === 0x2f) {
            if (this.tree.depth === 0) throw fault('not-well-formed', 'an end tag outside the root')
            this.#flushText()
            this.#state = CLOSE_START
          } else if (c === 0x21) {
            this.#state = BANG
          } else if (c === 0x3f) {
            if (this.#home !== PROLOG || !this.#isFirst) throw fault('restricted-xml', 'a processing instruction')
            this.#state = DECLARATION_TARGET
            this.#matched = 1
          } else if (beginsName(text, at, c)) {
            if (this.#home === EPILOG) throw fault('not-well-formed', 'an element after the root')
            this.#flushText()
            this.#isFirst = false
            this.#state = OPEN_NAME
            this.#token.begin(at)
            break
          } else {
            throw fault('not-well-formed', '< that begins no tag')
          }
          this.#at = at + 1
          break

        case CLOSE_START:
          if (!beginsName(text, at, c)) throw fault('not-well-formed', 'an end tag without a name')
          this.#state = CLOSE_NAME
          this.#token.begin(at)
          break

        case CLOSE_END: {
          this.#at = at + 1
          if (c !== 0x3e) {
            if (!isSpace(c)) throw fault('not-well-formed', 'an end tag with something else than its name')
            break
          }
          this.tree.close(this.#attribute)
          const event = this.#afterTag(false)
          if (event !== NEED_INPUT) return event
          break
        }

        case REFERENCE: {
          const isEnd = this.#skipReference(text, end)
          if (!isEnd) break
          this.#done += resolveReference(this.#takeName())
          this.#at++
          this.#state = this.#home
          this.#token.begin(this.#at)
          break
        }

        case CDATA: {
          let i = at
          let stop = c
          while (stop > 0x3f ? stop < 0xfffe : STOPS[stop] !== 1 || stop === 0x26 || stop === 0x3c) {
            if (++i === end) break
            stop = text.charCodeAt(i)
          }
          this.#at = i
          if (i === end) break
          if (stop === 0x3e) {
            if (this.#token.endsInBrackets(text, i)) {
              this.#done += this.#token.takeText(text, i).slice(0, -2)
              this.#state = CONTENT
              this.#token.begin(i + 1)
            }
          } else if (stop === RETURN) {
            this.#token.isUneven = true
          } else if (stop !== TAB && stop !== LINE_FEED && stop !== 0x22 && stop !== 0x27) {
            throw illegal()
          }
          this.#at = i + 1
          break
        }

        case BANG:
          if (c === 0x2d) this.#state = BANG_DASH
          else if (c === 0x5b) {
            this.#state = CDATA_OPEN
            this.#matched = 0
          } else if (c >= 0x41 && c <= 0x5a) throw fault('restricted-xml', 'a document type definition')
          else throw fault('not-well-formed', '<! that begins nothing')
          this.#at = at + 1
          break

        case BANG_DASH:
          if (c === 0x2d) throw fault('restricted-xml', 'a comment')
          throw fault('not-well-formed', '<! that begins nothing')

        case CDATA_OPEN:
          if (c !== CDATA_MARK.charCodeAt(this.#matched++)) throw fault('not-well-formed', '<! that begins nothing')
          this.#at = at + 1
          if (this.#matched < CDATA_MARK.length) break
          if (this.#home === BETWEEN) throw fault('bad-format', 'text between stanzas')
          if (this.#home !== CONTENT) throw fault('not-well-formed', 'text outside the root')
          this.#state = CDATA
          this.#token.begin(at + 1)
          break

        case DECLARATION_TARGET:
          if (c !== DECLARATION_MARK.charCodeAt(this.#matched)) {
            // `<?xml` and white space make a declaration, everything else an instruction.
            if (this.#matched < DECLARATION_MARK.length || !isSpace(c)) {
              throw fault('restricted-xml', 'a processing instruction')
            }
            this.#isFirst = false
            this.#state = DECLARATION
            this.#token.begin(at)
            break
          }
          this.#matched++
          this.#at = at + 1
          break

        case DECLARATION: {
          const close = text.indexOf('>', at)
          this.#at = close < 0 ? end : close
          if (close < 0) break
          checkDeclaration(this.#token.take(text, this.#at))
          this.#state = PROLOG
          this.#at = close + 1
          break
        }

        default: {
          // Outside: white space, and < to begin with.
          let i = at
          while (i < end && isSpace(text.charCodeAt(i))) i++
          this.#at = i
          if (i > at) {
            if (!this.#isRestarted) this.#isFirst = false
            if (this.#state === BETWEEN) return WHITESPACE
            break
          }
          if (c !== 0x3c) throw this.#state === BETWEEN ? betweenStanzas(c) : fault('not-well-formed', 'text outside')
          this.#home = this.#state
          this.#stanzaFrom = i
          this.#stanzaBytes = 0
          this.#state = LESS_THAN
          this.#at = i + 1
        }
      }
    }
    return NEED_INPUT
  }

  /** Moves over name characters; true when another one ends the name here. */
  #skipName(text: string, end: number): boolean {
    let i = this.#at
    while (i < end) {
      const c = text.charCodeAt(i)
      if (c < 128) {
        if (NAME_CHARS[c] !== 1) break
        i++
        continue
      }
      const codePoint = text.codePointAt(i) ?? c
      if (!isNameChar(codePoint)) break
      i += codePoint > 0xffff ? 2 : 1
    }
    this.#at = i
    return i < end
  }

  /** As skipName, over a reference, which `;` ends. */
  #skipReference(text: string, end: number): boolean {
    while (this.#skipName(text, end)) {
      const c = text.charCodeAt(this.#at)
      if (c === 0x3b) return true
      if (c !== 0x23 || this.#token.savedLength > 0 || this.#at > this.#token.mark) {
        this.#takeName()
        throw fault('not-well-formed', '& that begins no reference')
      }
      this.#at++
    }
    return false
  }

  /** Hands on the text before a tag. */
  #flushText(): void {
    if (this.#done === '') return
    this.tree.text(this.#done)
    this.#done = ''
  }

  /** The state after a tag, and what it completes. NEED_INPUT: nothing, read on. */
  #afterTag(opened: boolean): Event {
    const { depth } = this.tree
    if (depth > 0 && (depth > 1 || !this.#isStream)) {
      this.#state = CONTENT
      this.#token.begin(this.#at)
      return NEED_INPUT
    }
    if (depth === 0) {
      this.#state = EPILOG
      return ROOT_CLOSED
    }
    this.#state = BETWEEN
    return opened ? ROOT_OPENED : STANZA
  }
}

function beginsName(text: string, at: number, c: number): boolean {
  return c < 128 ? NAME_STARTS[c] === 1 : isNameStart(text.codePointAt(at) ?? c)
}

function isSpace(c: number): boolean {
  return c === SPACE || c === LINE_FEED || c === TAB || c === RETURN
}

function betweenStanzas(c: number): StreamError {
  return isXmlChar(c) || (c >= 0xd800 && c <= 0xdfff) ? fault('bad-format', 'text between stanzas') : illegal()
}

/** `<request/>` and `<slot/>` of XEP-0363, and every way in which a request is refused. */

import { StanzaError } from '../../server/stanza/errors.ts'
import { formatDateTime, parseDateTime } from '../../server/stanza/time.ts'
import { attr, childElements, type Element, el } from '../../server/xml/element.ts'
import { mediaType } from './media.ts'

export const NS_UPLOAD = 'urn:xmpp:http:upload:0'
export const NS_PURPOSE = 'urn:xmpp:http:upload:purpose:0'

/** Fits a path segment of the HTTPS port when each byte is percent-encoded. */
const MAX_NAME_BYTES = 255

export interface SlotRequest {
  readonly name: string
  /** Bytes. */
  readonly size: number
  /** Without parameters; undefined: not stated. */
  readonly contentType: string | undefined
  /** UTC milliseconds, for an ephemeral file. XEP-0363 §5.3. */
  readonly expireBefore: number | undefined
}

/** @throws StanzaError bad-request, feature-not-implemented */
export function parseRequest(request: Element): SlotRequest {
  const filename = attr(request, 'filename') ?? ''
  const size = attr(request, 'size') ?? ''
  const typeText = attr(request, 'content-type')
  const contentType = typeText === undefined ? undefined : mediaType(typeText)
  const name = safeName(filename)
  if (name === undefined) throw refuse(request, 'a file name has 1 to 255 bytes')
  if (!/^\d{1,15}$/.test(size)) throw refuse(request, 'the size is a number of bytes')
  if (typeText !== undefined && contentType === undefined) throw refuse(request, 'that is no content type')
  return { name, size: Number(size), contentType, expireBefore: parsePurpose(request) }
}

/** §5: the end that the requester sets, if any. */
function parsePurpose(request: Element): number | undefined {
  const purpose = childElements(request).find((child) => child.getNS() === NS_PURPOSE)
  if (!purpose || purpose.getName() === 'message') return undefined
  if (purpose.getName() !== 'ephemeral') {
    const text = 'files are kept as messages or for less time'
    throw new StanzaError('cancel', 'feature-not-implemented', text, { payload: request })
  }
  const expireBefore = parseDateTime(attr(purpose, 'expire-before') ?? '')
  if (expireBefore === undefined) throw refuse(request, 'expire-before is a date and time')
  return expireBefore
}

/** As it is but for what would mean something to a path: separators, control characters, dots alone. */
function safeName(filename: string): string | undefined {
  const name = filename.toWellFormed().replace(/[/\\\p{Cc}]/gu, '_')
  if (name === '.' || name === '..') return '_'
  return name === '' || Buffer.byteLength(name) > MAX_NAME_BYTES ? undefined : name
}

export function renderSlot(put: URL, get: URL): Element {
  return el('slot', { xmlns: NS_UPLOAD }, el('put', { url: put.href }), el('get', { url: get.href }))
}

/** A request that is not one. */
export function refuse(request: Element, text: string): StanzaError {
  return new StanzaError('modify', 'bad-request', text, { payload: request })
}

/** §6: more than a file may have. */
export function fileTooLarge(request: Element, maxBytes: number): StanzaError {
  const text = `File too large. The maximum file size is ${maxBytes} bytes`
  const condition = el('file-too-large', { xmlns: NS_UPLOAD }, el('max-file-size', {}, String(maxBytes)))
  return new StanzaError('modify', 'not-acceptable', text, { payload: request, application: [condition] })
}

/** §6: no room now. @param retryAt  UTC milliseconds when some will be free; undefined: not known */
export function noRoom(request: Element, text: string, retryAt: number | undefined): StanzaError {
  const retry = retryAt === undefined ? [] : [el('retry', { xmlns: NS_UPLOAD, stamp: formatDateTime(retryAt) })]
  return new StanzaError('wait', 'resource-constraint', text, { payload: request, application: retry })
}

/** §6: not for this entity. */
export function notForYou(request: Element): StanzaError {
  return new StanzaError('auth', 'forbidden', 'files are uploaded by accounts of this server', { payload: request })
}

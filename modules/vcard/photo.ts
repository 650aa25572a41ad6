/** A picture in a vCard and in the avatar nodes, and from one to the other. XEP-0084 §4, XEP-0153 §4.5, XEP-0398 §3. */

import { createHash } from 'node:crypto'
import { attr, childOf, childrenOf, type Element, el, textOf } from '../../server/xml/element.ts'
import { NS_VCARD } from './xml.ts'

export const NS_AVATAR_DATA = 'urn:xmpp:avatar:data'
export const NS_AVATAR_METADATA = 'urn:xmpp:avatar:metadata'

export interface Photo {
  readonly type: string
  /** Base64 without white space. */
  readonly base64: string
  readonly bytes: number
  /** SHA-1 of the image, in lower-case hex. */
  readonly hash: string
  /** In pixels, where the format tells at once. */
  readonly size: { readonly width: number; readonly height: number } | undefined
}

/** The picture of a vCard; undefined when there is none that is known for one. XEP-0153 §4.5, §4.6, §5. */
export function photoOf(vcard: Element): Photo | undefined {
  const photo = childOf(vcard, 'PHOTO', NS_VCARD)
  const binval = photo && childOf(photo, 'BINVAL', NS_VCARD)
  return binval && readPhoto(textOf(binval))
}

/** The picture of an item of the data node. XEP-0084 §4.1. */
export function photoOfData(data: Element): Photo | undefined {
  return readPhoto(textOf(data))
}

function readPhoto(text: string): Photo | undefined {
  const base64 = text.replaceAll(/\s+/g, '')
  // RFC 4648 §3.3: what is not of the alphabet is refused
  if (base64 === '' || base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return undefined
  const image = Buffer.from(base64, 'base64')
  // XEP-0153 §5: what the image is counts, not what it is called
  const type = typeOf(image)
  if (type === undefined) return undefined
  const hash = createHash('sha1').update(image).digest('hex')
  return { type, base64, bytes: image.length, hash, size: type === 'image/png' ? pngSize(image) : undefined }
}

function typeOf(image: Buffer): string | undefined {
  const starts = (signature: string, at = 0) => image.toString('latin1', at, at + signature.length) === signature
  if (starts('\x89PNG\r\n\x1a\n')) return 'image/png'
  if (starts('\xff\xd8\xff')) return 'image/jpeg'
  if (starts('GIF87a') || starts('GIF89a')) return 'image/gif'
  return starts('RIFF') && starts('WEBP', 8) ? 'image/webp' : undefined
}

/** Of the chunk that every PNG begins with. */
function pngSize(image: Buffer): Photo['size'] {
  return image.length < 24 ? undefined : { width: image.readUInt32BE(16), height: image.readUInt32BE(20) }
}

export function renderData({ base64 }: Photo): Element {
  return el('data', { xmlns: NS_AVATAR_DATA }, base64)
}

/** Without a picture: that there is none. XEP-0084 §3.5, §4.2. */
export function renderMetadata(photo: Photo | undefined): Element {
  const info = photo && el('info', { bytes: photo.bytes, id: photo.hash, type: photo.type, ...photo.size })
  return el('metadata', { xmlns: NS_AVATAR_METADATA }, info)
}

/** The id of the picture that lies in the data node; undefined when there is none. XEP-0398 §3.1. */
export function hashOfMetadata(metadata: Element): string | undefined {
  const info = childrenOf(metadata, 'info', NS_AVATAR_METADATA).find((each) => attr(each, 'url') === undefined)
  const id = info && attr(info, 'id')
  return id !== undefined && /^[0-9a-f]{40}$/i.test(id) ? id : undefined
}

/** The vCard with this picture and no other. */
export function withPhoto(vcard: Element, photo: Photo): Element {
  const parts = vcard.children.filter((child) => !isPhoto(child))
  const { type, base64 } = photo
  return el('vCard', { xmlns: NS_VCARD }, ...parts, el('PHOTO', {}, el('TYPE', {}, type), el('BINVAL', {}, base64)))
}

/** Is there any, known or not? */
export function hasPhoto(vcard: Element): boolean {
  return vcard.children.some(isPhoto)
}

export function withoutPhoto(vcard: Element): Element {
  return el('vCard', { xmlns: NS_VCARD }, ...vcard.children.filter((child) => !isPhoto(child)))
}

function isPhoto(child: Element | string): boolean {
  return typeof child !== 'string' && child.getName() === 'PHOTO' && child.getNS() === NS_VCARD
}

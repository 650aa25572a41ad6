/**
 * The names of attachment nodes and of summaries. An attachment node is named by the XMPP URI of the item that it is
 * about; the same item can be written in many ways, and every way means the node of the canonical one.
 * XEP-0470 §4.1.1, §4.6; XEP-0060 §12.22; RFC 5122 §2.2.
 */

import { tryParseJid } from '../../server/stanza/jid.ts'

export const NS_ATTACHMENTS = 'urn:xmpp:pubsub-attachments:1'
export const NS_SUMMARY = 'urn:xmpp:pubsub-attachments:summary:1'

const ATTACHMENTS = `${NS_ATTACHMENTS}/`
const SUMMARY = `${NS_SUMMARY}/`

/** Names of each kind, first and last: in the order of code points nothing of the kind comes before or after. */
export const ATTACHMENT_NAMES = [ATTACHMENTS, `${ATTACHMENTS}\u{10FFFF}`] as const
export const SUMMARY_NAMES = [SUMMARY, `${SUMMARY}\u{10FFFF}`] as const

/** What an attachment node is about: an item; a summary: all items of a node. */
export interface Target {
  readonly nodeId: string
  readonly itemId: string | undefined
}

export function isAttachmentNode(nodeId: string): boolean {
  return nodeId.startsWith(ATTACHMENTS)
}

export function isSummary(nodeId: string): boolean {
  return nodeId.startsWith(SUMMARY)
}

/** Is it the service that makes nodes so called, and nobody else? */
export function isKept(nodeId: string): boolean {
  return isAttachmentNode(nodeId) || isSummary(nodeId)
}

export function summaryOf(nodeId: string): string {
  return SUMMARY + nodeId
}

/** The attachment node of an item, canonically named. */
export function attachmentsOf(address: string, nodeId: string, itemId: string): string {
  const at = address.lastIndexOf('@')
  const path = [...(at < 0 ? [] : [local(address.slice(0, at))]), domain(address.slice(at + 1))].join('@')
  return `${ATTACHMENTS}xmpp:${path}?;node=${value(nodeId)};item=${value(itemId)}`
}

/**
 * The canonical name of what a NodeID means; any other NodeID as it is.
 * @param addresses  of the service; the first is the one that names are made with
 */
export function canonicalName(nodeId: string, addresses: readonly [string, ...string[]]): string {
  if (!isAttachmentNode(nodeId)) return nodeId
  const item = parseItemUri(nodeId.slice(ATTACHMENTS.length))
  if (!item || !addresses.includes(item.address)) return nodeId
  return attachmentsOf(addresses[0], item.nodeId, item.itemId)
}

/**
 * What a node so called is about; undefined: nothing of this service.
 * @param addresses  undefined: it was made by the service, so the name is known to be its own
 */
export function targetOf(nodeId: string, addresses?: readonly string[]): Target | undefined {
  const target = parseTarget(nodeId, addresses)
  // Nothing is attached to attachments.
  return target && !isKept(target.nodeId) ? target : undefined
}

function parseTarget(nodeId: string, addresses: readonly string[] | undefined): Target | undefined {
  if (isSummary(nodeId)) return { nodeId: nodeId.slice(SUMMARY.length), itemId: undefined }
  const item = isAttachmentNode(nodeId) ? parseItemUri(nodeId.slice(ATTACHMENTS.length)) : undefined
  return item && (addresses === undefined || addresses.includes(item.address)) ? item : undefined
}

/** `xmpp:<service>?;node=<node>;item=<item>`, the keys in either order. */
function parseItemUri(uri: string): { address: string; nodeId: string; itemId: string } | undefined {
  const [, path = '', query = ''] = /^xmpp:([^?#/]+)\?;([^#]*)$/i.exec(uri) ?? []
  const jid = tryParseJid(decoded(path) ?? '')
  const pairs = new Map(query.split(';').map(pairOf))
  const [nodeId, itemId] = ['node', 'item'].map((key) => decoded(pairs.get(key) ?? ''))
  // RFC 5122 §2.2: a key is named once, and no other says what to do with the item.
  if (jid?.resource !== '' || query.split(';').length !== 2 || !nodeId || !itemId) return undefined
  return { address: jid.bare, nodeId, itemId }
}

function pairOf(text: string): [string, string] {
  const at = text.indexOf('=')
  return at < 0 ? [text, ''] : [text.slice(0, at), text.slice(at + 1)]
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined // not the octets of any text
  }
}

/** All but the unreserved characters of RFC 3986 §2.3. */
function value(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, octet)
}

/** RFC 5122 §2.2: `nodeallow` stands for itself. */
function local(text: string): string {
  return encodeURIComponent(text)
    .replace(/'/g, octet)
    .replace(/%(?:24|2B|2C|3B|3D)/g, decodeURIComponent)
}

/** An IP literal keeps its brackets and colons. */
function domain(text: string): string {
  return encodeURIComponent(text).replace(/%(?:5B|5D|3A)/g, decodeURIComponent)
}

function octet(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`
}

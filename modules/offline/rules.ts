/** Which messages are kept for an absent account, as pure functions. XEP-0160 §3; hints of XEP-0334 §4. */

import { attr, childElements, type Element } from '../../server/xml/element.ts'

export const NS_HINTS = 'urn:xmpp:hints'
const NS_CHAT_STATES = 'http://jabber.org/protocol/chatstates'

/** Says whether a message is worth keeping; its type decides, then its sender's hint, then its content. */
export function isStorable(message: Element): boolean {
  const type = attr(message, 'type')
  // groupchat and headline lose their sense with time, an error answers what its receiver sent
  if (type === 'groupchat' || type === 'headline' || type === 'error') return false
  const children = childElements(message)
  if (children.some((child) => child.is('no-store', NS_HINTS))) return false
  if (children.some((child) => child.is('store', NS_HINTS))) return true
  // XEP-0160 §3: a chat message that holds nothing but a chat state (XEP-0085)
  return type !== 'chat' || children.some((child) => child.getNS() !== NS_CHAT_STATES && !child.is('thread'))
}

/** What one account's box may hold. */
export interface BoxLimits {
  readonly messages: number
  readonly perSender: number
  readonly chars: number
}

export interface BoxFill {
  readonly messages: number
  readonly fromSender: number
  readonly chars: number
}

/** Is there room for one more? */
export function hasRoom(limits: BoxLimits, fill: BoxFill, chars: number): boolean {
  if (fill.messages >= limits.messages || fill.fromSender >= limits.perSender) return false
  return fill.chars + chars <= limits.chars
}

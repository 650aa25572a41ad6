/** The hash of the avatar in available presence. XEP-0153 §4.1, XEP-0398 §4. */

import { childOf, type Element, el, textOf } from '../../server/xml/element.ts'

const NS_VCARD_UPDATE = 'vcard-temp:x:update'

/** Puts the hash in, unless the client says that it shows no picture. */
export function announce(presence: Element, hash: string): void {
  const update = childOf(presence, 'x', NS_VCARD_UPDATE)
  const photo = update && childOf(update, 'photo', NS_VCARD_UPDATE)
  if (photo && textOf(photo).trim() === '') return
  if (update) presence.remove(update)
  presence.cnode(el('x', { xmlns: NS_VCARD_UPDATE }, el('photo', {}, hash)))
}

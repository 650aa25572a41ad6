/** What presence a subscriber shows, as far as this server knows: that of its own accounts. XEP-0060 §6.3, §12.6. */

import type { SessionView } from '../../server/module/api.ts'
import type { Jid } from '../../server/stanza/jid.ts'
import { childOf, textOf } from '../../server/xml/element.ts'
import { NS_CLIENT } from '../../server/xml/namespaces.ts'
import { SHOW_VALUES, type ShowValue } from './subscription-options.ts'

/** One value per available resource that the JID means; none: offline. RFC 6121 §4.7.2.1 */
export function showsOf(sessions: SessionView, jid: Jid): ShowValue[] {
  return sessions
    .of(jid.bare)
    .filter(({ fullJid }) => jid.resource === '' || fullJid.resource === jid.resource)
    .flatMap(({ presence }) => {
      if (!presence) return []
      const show = childOf(presence, 'show', NS_CLIENT)
      const text = show ? textOf(show).trim() : ''
      return [SHOW_VALUES.find((value) => value === text) ?? 'online']
    })
}

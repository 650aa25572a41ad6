/** Characters that a local part cannot hold, as people write them and as addresses carry them. XEP-0106 1.1.1. */

import { JidError } from './jid.ts'

function escapeOf(character: string): string {
  return `\\${character.charCodeAt(0).toString(16).padStart(2, '0')}`
}

/**
 * What a person wrote, as a local part; still to be prepared as any address is.
 * @throws JidError when it begins or ends with a space, which no escape may stand for
 * XEP-0106 §3.2, §4.1, §4.2.
 */
export function escapeLocal(text: string): string {
  if (text.startsWith(' ') || text.endsWith(' ')) throw new JidError('local part')
  return (
    text
      // A backslash that would be read as the start of an escape, before others come.
      .replace(/\\(?=20|22|26|27|2f|3a|3c|3e|40|5c)/g, '\\5c')
      .replace(/[ "&'/:<>@]/g, escapeOf)
  )
}

/** What a collection may claim to have seen whole. SACM-XMPP §3, `covers`. */

import type { PostureAttribute, Probe } from '../probe.ts'

/**
 * The probe's prefixes but for those that could not be read this time. For such an area the probe reports one attribute
 * with the prefix's name (`mount` for `mount.`): to say "what is not reported does not exist" would be wrong.
 */
export function coveredPrefixes(probe: Probe, attributes: readonly PostureAttribute[]): readonly string[] {
  const unread = new Set(attributes.filter(({ status }) => status !== 'exists').map(({ name }) => `${name}.`))
  return probe.covers.filter((prefix) => !unread.has(prefix))
}

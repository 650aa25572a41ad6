/** Which probe an attribute came from, by its name. */

import { allProbes } from '../collector/probes/all.ts'

/** Longest prefix first, so that the first match is the closest. */
const PREFIXES = allProbes
  .flatMap((probe) => probe.covers.map((prefix) => ({ prefix, area: prefix.replace(/\.$/, ''), probe: probe.name })))
  .sort((a, b) => b.prefix.length - a.prefix.length)

/** Attributes by probe; every probe is there, and `other` only when something fits none. */
export function countProbes(attributes: readonly { readonly name: string }[]): Record<string, number> {
  const counts = new Map(allProbes.map((probe) => [probe.name, 0]))
  for (const { name } of attributes) {
    const owner = PREFIXES.find(({ prefix, area }) => name.startsWith(prefix) || name === area)?.probe ?? 'other'
    counts.set(owner, (counts.get(owner) ?? 0) + 1)
  }
  return Object.fromEntries(counts)
}

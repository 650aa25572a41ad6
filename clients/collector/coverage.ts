/** Which probes a request for attribute names concerns, and whether it asks for all that a probe covers. */

import type { PostureAttribute, Probe } from './probe.ts'

export interface Selection {
  readonly probe: Probe
  /** True: everything the probe covers is asked for, so its report may be full. */
  readonly isWhole: boolean
}

/**
 * The probes that may report a name matching one of the patterns.
 * @param patterns  `*` anywhere; none: everything
 */
export function selectProbes(probes: readonly Probe[], patterns: readonly string[]): readonly Selection[] {
  if (patterns.length === 0) return probes.map((probe) => ({ probe, isWhole: true }))
  return probes
    .filter((probe) => patterns.some((pattern) => probe.covers.some((prefix) => overlaps(pattern, prefix))))
    .map((probe) => ({
      probe,
      isWhole: probe.covers.every((prefix) => patterns.some((pattern) => includesAll(pattern, prefix))),
    }))
}

/** The patterns that no probe can report anything for. */
export function uncovered(probes: readonly Probe[], patterns: readonly string[]): readonly string[] {
  return patterns.filter((pattern) => !probes.some((probe) => probe.covers.some((prefix) => overlaps(pattern, prefix))))
}

/**
 * What was asked for out of what a probe found. A name asked for literally and not found does not exist, as the probe
 * covers its prefix.
 */
export function pick(
  probe: Probe,
  patterns: readonly string[],
  found: readonly PostureAttribute[],
): readonly PostureAttribute[] {
  const matchers = patterns.map(matcher)
  const picked = found.filter(({ name }) => matchers.some((matches) => matches(name)))
  const names = new Set(picked.map(({ name }) => name))
  const missing = new Set(patterns.filter((pattern) => !pattern.includes('*') && !names.has(pattern)))
  for (const name of missing) {
    if (!probe.covers.some((prefix) => name.startsWith(prefix))) continue
    picked.push({ name, value: undefined, type: 'string', status: 'does-not-exist' })
  }
  return picked
}

/** May a name under the prefix match the pattern? */
function overlaps(pattern: string, prefix: string): boolean {
  const literal = literalOf(pattern)
  return literal.startsWith(prefix) || (pattern.includes('*') && prefix.startsWith(literal))
}

/** Does every name under the prefix match the pattern? */
function includesAll(pattern: string, prefix: string): boolean {
  const literal = literalOf(pattern)
  return /^\*+$/.test(pattern.slice(literal.length)) && prefix.startsWith(literal)
}

function literalOf(pattern: string): string {
  const star = pattern.indexOf('*')
  return star < 0 ? pattern : pattern.slice(0, star)
}

/** `*` stands for any characters. The leftmost place for each literal part leaves most room for the rest. */
export function matcher(pattern: string): (name: string) => boolean {
  const [first = '', ...rest] = pattern.split('*')
  const last = rest.pop()
  if (last === undefined) return (name) => name === pattern
  return (name) => {
    if (!name.startsWith(first)) return false
    let at = first.length
    for (const part of rest) {
      const found = name.indexOf(part, at)
      if (found < 0) return false
      at = found + part.length
    }
    return name.length - last.length >= at && name.endsWith(last)
  }
}

/** One endpoint's posture, indexed by name, and what may be concluded from a name that is not there. */

import type { PostureAttribute } from '../../../modules/repository/xml.ts'

/**
 * What a missing name means.
 * - `absent`: its area was collected, so it does not exist.
 * - `unknown`: nothing of its area was ever collected.
 * - `error`: its area could not be read.
 */
export interface Coverage {
  readonly state: 'absent' | 'unknown' | 'error'
  /** The attributes that say why the area was not collected. */
  readonly because: readonly PostureAttribute[]
}

export interface Posture {
  /**
   * The attributes whose name matches, `*` standing for any characters; in order of name. With them come the gaps:
   * what is reported as an error or not collected for a whole area that the pattern lies in (`listen.tcp` for
   * `listen.tcp.*:23.uid`), since the area may hold more than is seen.
   */
  matching(pattern: string): readonly PostureAttribute[]
  /**
   * Decides what it means that no attribute matches `pattern`.
   *
   * A gap (see `matching`) holds for every name of its area. Else:
   * the repository keeps rows, not collections, so coverage is read from the neighbours: of the pattern's literal
   * beginning the longest dotted prefix is taken under which anything is reported (`package.rpm.` rather than
   * `package.`). If anything there is known, to exist or not to, the area was collected and the name is absent. If
   * all that is there are errors or reasons for not collecting, these hold for the name too. If nothing is reported
   * even under the first segment, the area was never collected.
   *
   * This trusts that an area is collected whole, as probes do; after a collection of single names out of an area
   * (`package.manager` alone), other names of it look absent. `requiredNames` therefore asks for whole areas where
   * absence matters.
   */
  coverage(pattern: string): Coverage
}

export function indexPosture(attributes: Iterable<PostureAttribute>): Posture {
  const rows = [...attributes].sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
  const matches = new Map<string, readonly PostureAttribute[]>()
  const coverages = new Map<string, Coverage | undefined>()

  /** Index of the first row whose name is not before `name`. */
  function lowerBound(name: string): number {
    let low = 0
    let high = rows.length
    while (low < high) {
      const middle = (low + high) >>> 1
      // In bounds: low <= middle < high <= rows.length.
      if ((rows[middle]?.name ?? '') < name) low = middle + 1
      else high = middle
    }
    return low
  }

  function* under(prefix: string): Generator<PostureAttribute> {
    for (let i = lowerBound(prefix); i < rows.length; i++) {
      const row = rows[i]
      if (!row?.name.startsWith(prefix)) return
      yield row
    }
  }

  function find(pattern: string): readonly PostureAttribute[] {
    const isMatch = globOf(pattern)
    const found: PostureAttribute[] = pattern.includes('*') ? gapsOf(pattern) : []
    for (const row of under(literalOf(pattern))) if (isMatch(row.name)) found.push(row)
    return found
  }

  function gapsOf(pattern: string): PostureAttribute[] {
    const gaps: PostureAttribute[] = []
    for (const prefix of prefixesOf(pattern)) {
      for (const row of exactly(prefix.slice(0, -1))) if (!isKnown(row)) gaps.push(row)
    }
    return gaps
  }

  /** Undefined when nothing is reported under the prefix. */
  function coverageUnder(prefix: string): Coverage | undefined {
    const because: PostureAttribute[] = []
    for (const row of under(prefix)) {
      if (isKnown(row)) return { state: 'absent', because: [] }
      because.push(row)
    }
    return because.length === 0 ? undefined : notCollected(because)
  }

  function* exactly(name: string): Generator<PostureAttribute> {
    for (const row of under(name)) {
      if (row.name !== name) return
      yield row
    }
  }

  return {
    matching: (pattern) => remember(matches, pattern, find),
    coverage(pattern) {
      const gaps = gapsOf(pattern)
      if (gaps.length > 0) return notCollected(gaps)
      for (const prefix of prefixesOf(pattern)) {
        const coverage = remember(coverages, prefix, coverageUnder)
        if (coverage) return coverage
      }
      return { state: 'unknown', because: [] }
    },
  }
}

function notCollected(because: readonly PostureAttribute[]): Coverage {
  return { state: because.some((row) => row.status === 'error') ? 'error' : 'unknown', because }
}

/** The dotted prefixes of the literal beginning, longest first: `a.b.` and `a.` for `a.b.c*`. */
export function prefixesOf(pattern: string): readonly string[] {
  const prefixes: string[] = []
  for (let prefix = prefixOf(literalOf(pattern)); prefix; prefix = prefixOf(prefix.slice(0, -1))) prefixes.push(prefix)
  return prefixes
}

function isKnown(row: PostureAttribute): boolean {
  return row.status === 'exists' || row.status === 'does-not-exist'
}

function literalOf(pattern: string): string {
  const star = pattern.indexOf('*')
  return star === -1 ? pattern : pattern.slice(0, star)
}

/** Up to and with the last dot; empty when there is none. */
function prefixOf(name: string): string {
  return name.slice(0, name.lastIndexOf('.') + 1)
}

/** Matches one name against a pattern. The leftmost place for each literal part leaves most room for the rest. */
export function globOf(pattern: string): (name: string) => boolean {
  const parts = pattern.split('*')
  const first = parts[0] ?? ''
  const last = parts.at(-1) ?? ''
  const middle = parts.slice(1, -1)
  if (parts.length === 1) return (name) => name === pattern
  return (name) => {
    if (!name.startsWith(first)) return false
    let at = first.length
    for (const part of middle) {
      const found = name.indexOf(part, at)
      if (found === -1) return false
      at = found + part.length
    }
    return name.length - last.length >= at && name.endsWith(last)
  }
}

function remember<V>(cache: Map<string, V>, key: string, make: (key: string) => V): V {
  const known = cache.get(key)
  if (known !== undefined || cache.has(key)) return known as V // set by this function alone
  const value = make(key)
  cache.set(key, value)
  return value
}

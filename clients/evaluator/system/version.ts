/** Orders versions as dpkg does: [epoch:]upstream[-revision]. Debian Policy §5.6.12, deb-version(7). */

/**
 * Negative when `a` is older than `b`, 0 when equal, positive when newer.
 *
 * The order of dpkg serves rpm's and apk's versions too in all but corner cases (rpm's `^`, apk's `_rc`): digits
 * compare as numbers, letters before other signs, and `~` before everything, the end included.
 */
export function compareVersions(a: string, b: string): number {
  const left = split(a)
  const right = split(b)
  return (
    compareNumbers(left.epoch, right.epoch) ||
    compareParts(left.upstream, right.upstream) ||
    compareParts(left.revision, right.revision)
  )
}

function split(version: string): { epoch: string; upstream: string; revision: string } {
  const epoch = /^([0-9]+):/.exec(version)?.[1]
  const rest = epoch === undefined ? version : version.slice(epoch.length + 1)
  const hyphen = rest.lastIndexOf('-')
  return hyphen === -1
    ? { epoch: epoch ?? '0', upstream: rest, revision: '' }
    : { epoch: epoch ?? '0', upstream: rest.slice(0, hyphen), revision: rest.slice(hyphen + 1) }
}

/** Takes turns: a run without digits by `weight`, then a run of digits as a number. */
function compareParts(a: string, b: string): number {
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    while ((i < a.length && !isDigit(a, i)) || (j < b.length && !isDigit(b, j))) {
      const difference = weight(a, i) - weight(b, j)
      if (difference !== 0) return difference
      i++
      j++
    }
    const left = digits(a, i)
    const right = digits(b, j)
    const difference = compareNumbers(left, right)
    if (difference !== 0) return difference
    i += left.length
    j += right.length
  }
  return 0
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at)
  return code >= 48 && code <= 57
}

/** `~` before the end, the end and digits before letters, letters before the rest. */
function weight(text: string, at: number): number {
  if (at >= text.length || isDigit(text, at)) return 0
  const char = text.charAt(at)
  if (char === '~') return -1
  const code = text.charCodeAt(at)
  return /[A-Za-z]/.test(char) ? code : code + 0x10000
}

function digits(text: string, at: number): string {
  let end = at
  while (end < text.length && isDigit(text, end)) end++
  return text.slice(at, end)
}

/** Digit strings of any length as numbers; empty is 0. */
function compareNumbers(a: string, b: string): number {
  const left = a.replace(/^0+/, '')
  const right = b.replace(/^0+/, '')
  return left.length - right.length || (left < right ? -1 : left > right ? 1 : 0)
}

/** XML names and characters: what may stand in a name. XML 1.0 (5th edition) §2.3, Namespaces in XML 1.0 §3, §4. */

/** NameStartChar beyond ASCII, as pairs of first and last. XML 1.0 §2.3, production 4. */
const START_RANGES = [
  0xc0, 0xd6, 0xd8, 0xf6, 0xf8, 0x2ff, 0x370, 0x37d, 0x37f, 0x1fff, 0x200c, 0x200d, 0x2070, 0x218f, 0x2c00, 0x2fef,
  0x3001, 0xd7ff, 0xf900, 0xfdcf, 0xfdf0, 0xfffd, 0x10000, 0xeffff,
] as const
/** NameChar beyond NameStartChar and ASCII. Production 4a. */
const MORE_RANGES = [0xb7, 0xb7, 0x300, 0x36f, 0x203f, 0x2040] as const

const ASCII_QNAME = /^[A-Za-z_][\w.-]*(?::[A-Za-z_][\w.-]*)?$/

/** May the code point begin an NCName? The colon may not. */
export function isNameStart(codePoint: number): boolean {
  if (codePoint < 0x80) {
    return (codePoint >= 0x61 && codePoint <= 0x7a) || (codePoint >= 0x41 && codePoint <= 0x5a) || codePoint === 0x5f
  }
  return inRanges(START_RANGES, codePoint)
}

/** May the code point stand in an NCName after its first? */
export function isNameChar(codePoint: number): boolean {
  if (codePoint < 0x80) {
    return (
      isNameStart(codePoint) || (codePoint >= 0x30 && codePoint <= 0x39) || codePoint === 0x2d || codePoint === 0x2e
    )
  }
  return inRanges(START_RANGES, codePoint) || inRanges(MORE_RANGES, codePoint)
}

/** True for `local` or `prefix:local`, each an NCName. Namespaces in XML 1.0 §4. */
export function isQualifiedName(text: string): boolean {
  if (ASCII_QNAME.test(text)) return true
  const parts = text.split(':')
  return parts.length <= 2 && parts.every(isNcName)
}

function isNcName(text: string): boolean {
  const chars = Array.from(text, (char) => char.codePointAt(0) ?? 0)
  return chars.length > 0 && isNameStart(chars[0] ?? 0) && chars.every(isNameChar)
}

/** Char. XML 1.0 §2.2, production 2. */
export function isXmlChar(codePoint: number): boolean {
  return (
    codePoint === 0x9 ||
    codePoint === 0xa ||
    codePoint === 0xd ||
    (codePoint >= 0x20 && codePoint <= 0xd7ff) ||
    (codePoint >= 0xe000 && codePoint <= 0xfffd) ||
    (codePoint >= 0x10000 && codePoint <= 0x10ffff)
  )
}

function inRanges(ranges: readonly number[], codePoint: number): boolean {
  for (let i = 0; i < ranges.length; i += 2) {
    // Pairs by construction.
    if (codePoint >= (ranges[i] ?? 0) && codePoint <= (ranges[i + 1] ?? 0)) return true
  }
  return false
}

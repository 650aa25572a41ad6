/** The domain part of an address: IP literals, host names and IDNA2008 names. RFC 7622 §3.2, RFC 5891, RFC 5892. */

import { isIPv6 } from 'node:net'
import tr46 from 'tr46'
import { isIdnaLabel } from './precis.ts'

/** One label of letters, digits and inner hyphens, no reserved `??--`. RFC 5890 §2.3.1 (NR-LDH). */
const LDH_LABEL = /^(?!..--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
/** RFC 6874 §2: a zone identifier, percent-encoded in the literal. */
const ZONE = /^[A-Za-z0-9._~-]+$/
/** RFC 1034 §3.1, without the root's dot. */
const MAX_NAME_BYTES = 253

const STRICT = {
  checkHyphens: true,
  checkBidi: true,
  checkJoiners: true,
  useSTD3ASCIIRules: true,
  transitionalProcessing: false,
  ignoreInvalidPunycode: false,
} as const

/**
 * Prepares a domain part: trailing dot stripped, A-labels as U-labels, lower case, NFC.
 * @returns undefined when it is none
 */
export function prepareDomain(text: string): string | undefined {
  // RFC 7622 §3.2: a final dot is stripped before any other canonicalization.
  const domain = text.endsWith('.') ? text.slice(0, -1) : text
  if (domain.startsWith('[')) return prepareIpLiteral(domain)
  const lower = asciiLower(domain)
  if (isHostName(lower)) return lower
  return prepareIdn(domain)
}

function isHostName(domain: string): boolean {
  if (domain.length === 0 || domain.length > MAX_NAME_BYTES) return false
  // An IPv4 address is a host name to this test, and needs no other preparation.
  for (const label of domain.split('.')) if (!LDH_LABEL.test(label)) return false
  return true
}

/** UTS #46 with the strict flags, then the category check of IDNA2008, which UTS #46 leaves out. */
function prepareIdn(domain: string): string | undefined {
  const ascii = tr46.toASCII(domain, { ...STRICT, verifyDNSLength: true })
  if (ascii === null) return undefined
  const { domain: unicode, error } = tr46.toUnicode(ascii, STRICT)
  if (error) return undefined
  for (const label of unicode.split('.')) if (!LDH_LABEL.test(label) && !isIdnaLabel(label)) return undefined
  return unicode
}

/** `[…]` around an IPv6 address, with a zone identifier or none. RFC 3986 §3.2.2, RFC 6874; IPvFuture is refused. */
function prepareIpLiteral(literal: string): string | undefined {
  if (!literal.endsWith(']')) return undefined
  const [address = '', zone, ...rest] = literal.slice(1, -1).split('%25')
  if (!isIPv6(address) || address.includes('%') || rest.length > 0) return undefined
  if (zone !== undefined && !ZONE.test(zone)) return undefined
  // The URL parser writes the canonical text of RFC 5952: one address has one spelling.
  const canonical = new URL(`http://[${address}]/`).hostname
  return zone === undefined ? canonical : `${canonical.slice(0, -1)}%25${zone}]`
}

function asciiLower(text: string): string {
  return text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}

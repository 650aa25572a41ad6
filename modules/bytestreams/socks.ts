/** What a client says before its stream begins, in the part of SOCKS 5 that XEP-0065 uses. RFC 1928 §3, §4, §6. */

const VERSION = 5
const NO_AUTHENTICATION = 0
const CONNECT = 1
const DOMAIN_NAME = 3
const ACCEPTED = 0
const NOT_ALLOWED = 2
const COMMAND_UNKNOWN = 7
const ADDRESS_TYPE_UNKNOWN = 8
/** SHA-1 in hexadecimal. XEP-0065 §6.3.2. */
const DESTINATION = /^[0-9a-f]{40}$/i
/** A greeting and a request with the longest lists that they can carry. */
export const MAX_BYTES = 2 + 255 + 7 + 255

/** What to do with what has come so far. */
export type SocksStep =
  | { readonly kind: 'more' }
  /** Answer, and go on with what lies behind `used`. */
  | { readonly kind: 'greeted'; readonly answer: Buffer; readonly used: number }
  /** Answer, then pass on what lies behind `used` as it is. */
  | { readonly kind: 'connected'; readonly answer: Buffer; readonly used: number; readonly destination: string }
  /** Answer when there is one, and close. */
  | { readonly kind: 'refused'; readonly answer: Buffer | undefined }

const MORE: SocksStep = { kind: 'more' }

/** RFC 1928 §3: the methods that the client knows; ours is to ask for nothing. */
export function readGreeting(input: Buffer): SocksStep {
  if (input.length > 0 && input[0] !== VERSION) return { kind: 'refused', answer: undefined }
  const end = 2 + (input[1] ?? 0)
  if (input.length < 2 || input.length < end) return MORE
  if (!input.subarray(2, end).includes(NO_AUTHENTICATION))
    return { kind: 'refused', answer: Buffer.from([VERSION, 0xff]) }
  return { kind: 'greeted', answer: Buffer.from([VERSION, NO_AUTHENTICATION]), used: end }
}

/** RFC 1928 §4: a CONNECT to the name that stands for the stream. XEP-0065 §6.3.2. */
export function readRequest(input: Buffer): SocksStep {
  const [version, command, , type, length = 0] = input
  if (input.length > 0 && version !== VERSION) return { kind: 'refused', answer: undefined }
  if (input.length < 5) return MORE
  if (command !== CONNECT) return { kind: 'refused', answer: refusal(COMMAND_UNKNOWN) }
  if (type !== DOMAIN_NAME) return { kind: 'refused', answer: refusal(ADDRESS_TYPE_UNKNOWN) }
  const end = 5 + length + 2
  if (input.length < end) return MORE
  const destination = input.toString('latin1', 5, 5 + length)
  if (!DESTINATION.test(destination) || input.readUInt16BE(end - 2) !== 0) {
    return { kind: 'refused', answer: refusal(NOT_ALLOWED) }
  }
  // XEP-0065 §6.3.2: BND.ADDR and BND.PORT repeat what the client named.
  const answer = Buffer.concat([Buffer.from([VERSION, ACCEPTED, 0]), input.subarray(3, end)])
  return { kind: 'connected', answer, used: end, destination: destination.toLowerCase() }
}

/** The answer to a destination that has no room for another. RFC 1928 §6. */
export const TAKEN = refusal(NOT_ALLOWED)

/** With an address of nothing: RFC 1928 §6 wants one in every answer. */
function refusal(code: number): Buffer {
  return Buffer.from([VERSION, code, 0, 1, 0, 0, 0, 0, 0, 0])
}

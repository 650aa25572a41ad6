/** Reads DER value by value without building a tree: lists of what is revoked may hold a million entries. X.690 §8.1. */

export interface Tlv {
  readonly tag: number
  readonly content: Buffer
  /** Tag and length too. */
  readonly whole: Buffer
}

export const SEQUENCE = 0x30
export const INTEGER = 0x02
export const BOOLEAN = 0x01
export const BIT_STRING = 0x03
export const UTC_TIME = 0x17
const GENERALIZED_TIME = 0x18

/** The values that stand one after the other. @throws RangeError when the last one is cut off, or longer than 2^31 */
export function* values(bytes: Buffer): Generator<Tlv> {
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes.readUInt8(at)
    const short = bytes.readUInt8(at + 1)
    const lengthBytes = short < 0x80 ? 0 : short & 0x7f
    if (lengthBytes > 4 || short === 0x80) throw new RangeError('a length that DER does not have')
    const start = at + 2 + lengthBytes
    const length = lengthBytes === 0 ? short : bytes.readUIntBE(at + 2, lengthBytes)
    if (start + length > bytes.length) throw new RangeError('cut off')
    yield { tag, content: bytes.subarray(start, start + length), whole: bytes.subarray(at, start + length) }
    at = start + length
  }
}

/** The values inside one. @throws RangeError as `values`, and when it is of another kind */
export function inside(value: Tlv | undefined, tag = SEQUENCE): Tlv[] {
  if (value?.tag !== tag) throw new RangeError('another kind of value')
  return [...values(value.content)]
}

/** UTC milliseconds of a UTCTime or GeneralizedTime in the form that RFC 5280 §4.1.2.5 allows. @throws RangeError */
export function timeOf(value: Tlv | undefined): number {
  const text = value?.content.toString('latin1') ?? ''
  const match = /^(\d\d)?(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text)
  const isLong = value?.tag === GENERALIZED_TIME
  if (!match || (!isLong && value?.tag !== UTC_TIME) || isLong !== (match[1] !== undefined))
    throw new RangeError('not a time')
  const [, century, years = '', month, day, hour, minute, second] = match
  const year = century === undefined ? (Number(years) < 50 ? `20${years}` : `19${years}`) : `${century}${years}`
  const at = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  if (Number.isNaN(at)) throw new RangeError('not a time')
  return at
}

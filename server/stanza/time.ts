/** Dates and times on the wire: UTC milliseconds to and from the profiles of XEP-0082 1.1. */

const DATE_TIME = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d+))?(Z|[+-]\d{2}:\d{2})$/

/** A moment as `CCYY-MM-DDThh:mm:ss[.sss]Z`; the fraction is left out when it is zero. XEP-0082 §3.2. */
export function formatDateTime(utcMs: number): string {
  return new Date(utcMs).toISOString().replace('.000Z', 'Z')
}

/**
 * Reads a DateTime; fractions finer than a millisecond are cut off.
 * @returns UTC milliseconds, undefined when the text is no DateTime of the Gregorian calendar
 * XEP-0082 §3.2.
 */
export function parseDateTime(text: string): number | undefined {
  const match = DATE_TIME.exec(text)
  if (!match) return undefined
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number)
  const fraction = match[7] ?? ''
  const zone = match[8] ?? 'Z'
  // The pattern has six number groups, so all six are there; the check also tells the type checker.
  if (year === undefined || month === undefined || day === undefined) return undefined
  if (hour === undefined || minute === undefined || second === undefined) return undefined
  if (hour > 23 || minute > 59 || second > 59) return undefined
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  // A day that the month does not have would roll over.
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined
  date.setUTCHours(hour, minute, second, Number(fraction.slice(0, 3).padEnd(3, '0')))
  const offset = offsetMinutes(zone)
  return offset === undefined ? undefined : date.getTime() - offset * 60_000
}

function offsetMinutes(zone: string): number | undefined {
  if (zone === 'Z') return 0
  const hours = Number(zone.slice(1, 3))
  const minutes = Number(zone.slice(4, 6))
  if (hours > 23 || minutes > 59) return undefined
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes)
}

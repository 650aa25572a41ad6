/** Estimates what a value holds in memory, to bound a queue by more than its length. */

/** Characters of text in plain data, with a small charge per value; stops counting below `depth` levels. */
export function weigh(value: unknown, depth = 6): number {
  if (typeof value === 'string') return value.length
  if (typeof value !== 'object' || value === null || depth === 0) return 8
  let sum = 16
  if (Array.isArray(value)) for (const part of value) sum += weigh(part, depth - 1)
  else for (const key in value) sum += weigh((value as Readonly<Record<string, unknown>>)[key], depth - 1)
  return sum
}

/** Kinds of options that the server's own and those of modules share: each reads text and TOML alike. */

import { z } from 'zod'

/** An option that is a list: an array in `sacm.toml`, values between commas in the environment and in flags. */
export function commaList<T extends z.ZodType<string>>(item: T) {
  const split = (value: unknown): unknown =>
    typeof value === 'string' ? value.split(',').flatMap((part) => part.trim() || []) : value
  return z.preprocess(split, z.array(item).readonly())
}

/** An option that is true or false, in `sacm.toml`, the environment and flags alike. */
export function yesNo(fallback: boolean) {
  const read = (value: unknown): unknown => (value === 'true' ? true : value === 'false' ? false : value)
  return z.preprocess(read, z.boolean()).default(fallback)
}

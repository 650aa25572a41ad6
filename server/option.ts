/** What an option is, and the kinds that the server's own and those of modules share; each reads text and TOML alike. */

import * as z from 'zod'

/** The values that an option may have. */
export interface Kind<T> {
  /** What holds when nobody sets it. */
  readonly fallback: T
  /** Checks what somebody set. Made then: to make those of all options took a tenth of a start. */
  readonly schema: () => z.ZodType<T>
}

/** An option as its owner states it: how it is checked, what it means, in which unit where its name does not tell. */
export interface Option<T> extends Kind<T> {
  readonly description: string
  readonly unit?: string
}

/** Options by name. */
export type Options = Readonly<Record<string, Option<unknown>>>

/** The checked value of each. */
export type ValuesOf<O extends Options> = { readonly [K in keyof O]: O[K]['fallback'] }

/** The values when nobody sets any. */
export function fallbacks<O extends Options>(options: O): ValuesOf<O> {
  const entries = Object.entries(options).map(([name, { fallback }]) => [name, fallback])
  // The names of O, and the fallback of each.
  return Object.fromEntries(entries) as ValuesOf<O>
}

export function option<T>(kind: Kind<T>, description: string, unit?: string): Option<T> {
  return unit === undefined ? { ...kind, description } : { ...kind, description, unit }
}

/** @param fallback  is not checked */
export function kind<T>(schema: () => z.ZodType<T>, fallback: NoInfer<T>): Kind<T> {
  return { fallback, schema }
}

export function integer(fallback: number, min: number, max: number): Kind<number> {
  return { fallback, schema: () => z.coerce.number().int().min(min).max(max) }
}

export function oneOf<const T extends string>(allowed: readonly T[], fallback: NoInfer<T>): Kind<T> {
  return { fallback, schema: () => z.enum(allowed) }
}

/** An option that is a list: an array in `sacm.toml`, values between commas in the environment and in flags. */
export function commaList<T extends string>(item: () => z.ZodType<T>, fallback: readonly T[] = []): Kind<readonly T[]> {
  const split = (value: unknown): unknown =>
    typeof value === 'string' ? value.split(',').flatMap((part) => part.trim() || []) : value
  return { fallback, schema: () => z.preprocess(split, z.array(item()).readonly()) }
}

/** An option that is true or false, in `sacm.toml`, the environment and flags alike. */
export function yesNo(fallback: boolean): Kind<boolean> {
  const read = (value: unknown): unknown => (value === 'true' ? true : value === 'false' ? false : value)
  return { fallback, schema: () => z.preprocess(read, z.boolean()) }
}

/** The one reader of defaults, `sacm.toml`, environment and flags; what it returns is checked once and frozen. */

import { readFileSync } from 'node:fs'
import { parse as parseToml, TomlError } from 'smol-toml'
import * as z from 'zod'
import type { Option, Options } from './option.ts'
import { OPTIONS, type OptionValues } from './options.ts'

/** The checked configuration, by option name; a module's options stand in `modules` under the module's name. */
export type Config = OptionValues & {
  readonly modules: Readonly<Record<string, unknown>>
  /** Where every value came from, in the order of the table; for `sacm config`. */
  readonly settings: readonly Setting[]
}

export interface Setting {
  readonly name: string
  readonly value: unknown
  readonly source: 'default' | 'file' | 'environment' | 'flag'
  readonly unit: string | undefined
  /** Bounds and shape in words. */
  readonly accepts: string
  readonly description: string
}

/** A configuration that does not hold, with every fault and its place. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly faults: readonly string[]
  constructor(faults: readonly string[]) {
    super(faults.join('\n'))
    this.faults = faults
  }
}

/** The part of a module that configuration needs. */
export interface Configurable {
  readonly name: string
  readonly config?: Options
}

export interface ConfigSources {
  readonly modules: readonly Configurable[]
  /** Path of `sacm.toml`; undefined: none. */
  readonly file?: string | undefined
  readonly environment: Readonly<Record<string, string | undefined>>
  /** By option name. */
  readonly flags: Readonly<Record<string, string>>
}

/** @throws ConfigError with every fault at once, each with the name of its option and source */
export function loadConfig(sources: ConfigSources): Config {
  const faults: string[] = []
  const table = new Map<string, Option<unknown>>(Object.entries(OPTIONS))
  for (const { name, config = {} } of sources.modules) {
    for (const [field, option] of Object.entries(config)) table.set(`${name}.${field}`, option)
  }
  const fromFile = sources.file === undefined ? new Map<string, unknown>() : readFile(sources.file, faults)
  const fromEnvironment = readEnvironment(sources.environment, table)
  for (const name of fromFile.keys()) {
    if (!table.has(name)) faults.push(`${sources.file}: no option is called ${name}${didYouMean(name, table)}`)
  }
  for (const name of Object.keys(sources.flags)) {
    if (!table.has(name)) faults.push(`no option is called ${name}${didYouMean(name, table)}`)
  }

  const settings: Setting[] = []
  const modules: Record<string, Record<string, unknown>> = {}
  const values: Record<string, unknown> = {}
  for (const module of sources.modules) modules[module.name] = {}
  for (const [name, option] of table) {
    const [source, raw] = pick(name, sources.flags, fromEnvironment, fromFile)
    const read =
      source === 'default' ? ({ success: true, data: option.fallback } as const) : option.schema().safeParse(raw)
    if (!read.success) {
      const where = source === 'file' ? `${sources.file}: ` : ''
      faults.push(
        `${where}${name} = ${JSON.stringify(raw)}: ${read.error.issues.map((issue) => issue.message).join('; ')}`,
      )
      continue
    }
    const value = Object.freeze(read.data)
    settings.push({
      name,
      value,
      source,
      unit: option.unit ?? unitOf(name),
      // Words for `sacm config` alone.
      get accepts() {
        return describe(option.schema())
      },
      description: option.description,
    })
    const [module, field] = splitModule(name, modules)
    if (module !== undefined && !(name in OPTIONS)) module[field] = value
    else values[name] = value
  }
  if (faults.length > 0) throw new ConfigError(faults)
  for (const values of Object.values(modules)) Object.freeze(values)
  // Each name of OPTIONS was parsed by its own schema above.
  return Object.freeze({ ...values, modules: Object.freeze(modules), settings }) as unknown as Config
}

function pick(
  name: string,
  flags: Readonly<Record<string, string>>,
  environment: ReadonlyMap<string, string>,
  file: ReadonlyMap<string, unknown>,
): [Setting['source'], unknown] {
  if (flags[name] !== undefined) return ['flag', flags[name]]
  if (environment.has(name)) return ['environment', environment.get(name)]
  if (file.has(name)) return ['file', file.get(name)]
  return ['default', undefined]
}

function splitModule(
  name: string,
  modules: Record<string, Record<string, unknown>>,
): [Record<string, unknown> | undefined, string] {
  const dot = name.indexOf('.')
  return dot < 0 ? [undefined, name] : [modules[name.slice(0, dot)], name.slice(dot + 1)]
}

const ENVIRONMENT_PREFIX = 'SACM_'

/** `SACM_LIMITS_STANZA_BYTES` for `limits.stanzaBytes`: letters upper-cased, dots and capitals become underscores. */
export function environmentName(name: string): string {
  return `${ENVIRONMENT_PREFIX}${name
    .replaceAll('.', '_')
    .replaceAll(/([a-z])([A-Z])/g, '$1_$2')
    .toUpperCase()}`
}

function readEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  table: ReadonlyMap<string, unknown>,
): Map<string, string> {
  const found = new Map<string, string>()
  if (!Object.keys(environment).some((name) => name.startsWith(ENVIRONMENT_PREFIX))) return found
  for (const name of table.keys()) {
    const value = environment[environmentName(name)]
    if (value !== undefined) found.set(name, value)
  }
  return found
}

function readFile(file: string, faults: string[]): Map<string, unknown> {
  const found = new Map<string, unknown>()
  try {
    flatten('', parseToml(readFileSync(file, 'utf8')), found)
  } catch (error) {
    if (error instanceof TomlError)
      faults.push(`${file}:${error.line}:${error.column}: ${error.message.split('\n')[0]}`)
    else faults.push(`${file}: cannot be read: ${error instanceof Error ? error.message : String(error)}`)
  }
  return found
}

function flatten(prefix: string, value: unknown, into: Map<string, unknown>): void {
  if (value !== null && typeof value === 'object' && !Array.isArray(value) && !(value instanceof Date)) {
    for (const [key, inner] of Object.entries(value)) flatten(prefix ? `${prefix}.${key}` : key, inner, into)
  } else {
    into.set(prefix, value)
  }
}

const UNITS = ['Bytes', 'Seconds', 'Ms', 'Days'] as const

/** The unit that a name carries: `payloadMaxBytes`, `intervalMs`. */
function unitOf(name: string): string | undefined {
  return UNITS.find((unit) => name.endsWith(unit))?.toLowerCase()
}

/** Bounds and shape of a schema in words, from its JSON Schema. */
function describe(schema: z.ZodType): string {
  const json = z.toJSONSchema(schema, { unrepresentable: 'any', io: 'output' })
  if (json.enum) return json.enum.join(' | ')
  if (json.type === 'array') {
    const items = json.items
    const names = items && typeof items === 'object' && !Array.isArray(items) && items.enum
    return names ? `list of ${names.join(', ')}` : 'list'
  }
  if (json.type === 'integer' || json.type === 'number') return `${json.minimum ?? '-∞'} to ${json.maximum ?? '∞'}`
  if (json.anyOf)
    return [...new Set(json.anyOf.map((part) => (typeof part === 'object' && part.type) || 'value'))].join(' | ')
  return typeof json.type === 'string' ? json.type : 'value'
}

function didYouMean(name: string, table: ReadonlyMap<string, unknown>): string {
  const last = name.slice(name.lastIndexOf('.') + 1).toLowerCase()
  const close = [...table.keys()].find(
    (known) => known.toLowerCase().endsWith(last) || known.toLowerCase() === name.toLowerCase(),
  )
  return close ? `; is ${close} meant?` : '; `sacm config` lists them'
}

/** The options that commands share, and the configuration they make with `sacm.toml` and the environment. */

import { existsSync } from 'node:fs'
import { type Command, InvalidArgumentError, Option } from 'commander'
import { modules } from '../../modules/index.ts'
import { type Config, ConfigError, loadConfig } from '../../server/config.ts'
import { CliError, EXIT } from './exit.ts'

export interface SharedFlags {
  readonly config?: string
  readonly dataDir?: string
  readonly domain?: string
  readonly set: readonly string[]
}

/** Adds `--data-dir`, `--domain`, `--config` and `--set` to a command that works on a data folder. */
export function withSharedFlags(command: Command): Command {
  return command
    .option('--data-dir <dir>', 'folder of the database, certificates and first password')
    .option('--domain <name>', 'the XMPP domain; may be a single label')
    .option('--config <file>', 'configuration file (default: sacm.toml when it is there)')
    .addOption(
      new Option('--set <key=value>', 'any other option; `sacm config` lists them (repeatable)')
        .default([], 'none')
        .argParser((text: string, before: string[]) => {
          if (!/^[^=]+=/.test(text)) throw new InvalidArgumentError('it takes key=value.')
          return [...before, text]
        }),
    )
}

/** @throws CliError (misuse) with every fault of the configuration */
export function readConfig(flags: SharedFlags, own: Readonly<Record<string, string | undefined>> = {}): Config {
  const values: Record<string, string> = {}
  for (const text of flags.set) {
    const equals = text.indexOf('=')
    values[text.slice(0, equals)] = text.slice(equals + 1)
  }
  const named = { 'data.dir': flags.dataDir, domain: flags.domain, ...own }
  for (const [name, value] of Object.entries(named)) if (value !== undefined) values[name] = value
  try {
    return loadConfig({ modules, file: configFile(flags.config), environment: process.env, flags: values })
  } catch (error) {
    if (error instanceof ConfigError) {
      throw new CliError(EXIT.misuse, `the configuration does not hold:\n  ${error.faults.join('\n  ')}`, undefined, {
        cause: error,
      })
    }
    throw error
  }
}

function configFile(named: string | undefined): string | undefined {
  if (named !== undefined) return named
  const fallback = process.env['SACM_CONFIG'] ?? 'sacm.toml'
  return existsSync(fallback) ? fallback : undefined
}

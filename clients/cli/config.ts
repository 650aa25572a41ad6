/** `sacm config`: every option with its value, where the value came from, its bounds and meaning. */

import type { Command } from 'commander'
import { environmentName } from '../../server/config.ts'
import { print, printJson, printTable } from './output.ts'
import { readConfig, type SharedFlags, withSharedFlags } from './settings.ts'

export function configCommand(config: Command): void {
  withSharedFlags(config)
    .option('--json', 'print one JSON array')
    .action((flags: SharedFlags & { json?: true }) => {
      const { settings } = readConfig(flags)
      if (flags.json) {
        printJson(settings.map((setting) => ({ ...setting, environment: environmentName(setting.name) })))
        return
      }
      printTable(
        ['option', 'value', 'from', 'accepts', 'meaning'],
        settings.map(({ name, value, source, unit, accepts, description }) => [
          name,
          source === 'default' ? show(value) : { text: show(value), style: 'bold' },
          source,
          unit ? `${accepts} ${unit}` : accepts,
          description,
        ]),
      )
      print(
        `\nSet one in sacm.toml, as ${environmentName('limits.stanzaBytes')}=… in the environment, or with --set limits.stanzaBytes=…`,
      )
    })
}

function show(value: unknown): string {
  return Array.isArray(value) ? value.join(',') : String(value)
}

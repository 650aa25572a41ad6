/** `sacm component`: external components (XEP-0114) and the secrets they share with the server. */

import type { Command } from 'commander'
import type { ListedComponent } from '../../server/administration.ts'
import { administer } from './administer.ts'
import { print, printJson, printTable } from './output.ts'
import { type PasswordFlags, readPassword, withPasswordFlags } from './password.ts'
import { readConfig, type SharedFlags, withSharedFlags } from './settings.ts'

export function componentCommand(component: Command): void {
  withPasswordFlags(withSharedFlags(component.command('add').argument('<domain>', 'the component’s own domain')), {
    allowArgument: false,
  })
    .description('Let a component connect, or give one that is known another secret; without one given, it is random.')
    .option('--json', 'print one JSON object')
    .addHelpText(
      'after',
      '\nThe password is the secret shared with the component. One that the server made is printed once, here.' +
        '\nComponents connect to component.port, which is off by default.',
    )
    .action(async (domain: string, flags: SharedFlags & PasswordFlags & { json?: true }) => {
      const isGiven = flags.passwordFile !== undefined || flags.passwordStdin !== undefined
      const secret = isGiven ? await readPassword(flags, '') : undefined
      const result = await administer(readConfig(flags), 'component.add', { domain, secret })
      // The verb's own result, see administration.ts.
      const added = result as { domain: string; secret: string; isNew: boolean }
      const shown = isGiven ? {} : { secret: added.secret }
      if (flags.json) printJson({ domain: added.domain, isNew: added.isNew, ...shown })
      else {
        print(added.isNew ? `added ${added.domain}` : `${added.domain} existed: its secret is set`)
        if (!isGiven) print(`secret: ${added.secret}`)
      }
    })

  withSharedFlags(component.command('list'))
    .description('List the components and whether each is connected.')
    .option('--json', 'print one JSON array')
    .action(async (flags: SharedFlags & { json?: true }) => {
      // The verb's own result, see administration.ts.
      const listed = (await administer(readConfig(flags), 'component.list', {})) as readonly ListedComponent[]
      if (flags.json) printJson(listed)
      else
        printTable(
          ['component', 'connected'],
          listed.map(({ domain, isConnected }) => [domain, isConnected ? 'yes' : 'no']),
        )
    })

  withSharedFlags(component.command('remove').argument('<domain>'))
    .description('Take a component’s secret away; its connection ends.')
    .action(async (domain: string, flags: SharedFlags) => {
      await administer(readConfig(flags), 'component.remove', { domain })
      print(`removed ${domain}`)
    })
}

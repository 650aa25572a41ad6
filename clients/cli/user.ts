/** `sacm user` and `sacm role`: accounts and what they may do. */

import type { Command } from 'commander'
import type { ListedAccount } from '../../server/administration.ts'
import { ROLES } from '../../server/auth/roles.ts'
import { administer } from './administer.ts'
import { CliError, EXIT } from './exit.ts'
import { print, printable, printJson, printTable } from './output.ts'
import { type PasswordFlags, readPassword, withPasswordFlags } from './password.ts'
import { readConfig, type SharedFlags, withSharedFlags } from './settings.ts'

const ROLE_HELP = `\nRoles: ${ROLES.join(', ')}.
A role may name the endpoints it covers: collector:self, collector:any, consumer:label=web, evaluator:id=ENDPOINT.
Without one, a collector covers the endpoint first reported by it, every other role all endpoints.`

const repeat = (text: string, before: string[]) => [...before, text]

export function userCommand(user: Command): void {
  withPasswordFlags(withSharedFlags(user.command('add').argument('<jid>', 'user@domain, or the user alone')), {
    allowArgument: true,
  })
    .description('Add an account, or set the password and roles of one that exists.')
    .option('--role <role>', 'a role of the account (repeatable)', repeat, [])
    .option('--json', 'print one JSON object')
    .addHelpText('after', ROLE_HELP)
    .action(async (jid: string, flags: SharedFlags & PasswordFlags & { role: string[]; json?: true }) => {
      const password = await needPassword(flags, jid)
      const result = await administer(readConfig(flags), 'user.add', { jid, password, roles: flags.role })
      // The verb's own result, see administration.ts.
      const { jid: bareJid, isNew } = result as { jid: string; isNew: boolean }
      if (flags.json) printJson({ jid: bareJid, isNew })
      else print(isNew ? `added ${bareJid}` : `${bareJid} existed: password and roles are set`)
    })

  withPasswordFlags(withSharedFlags(user.command('passwd').argument('<jid>')), { allowArgument: true })
    .description('Set the password of an account; its sessions end.')
    .action(async (jid: string, flags: SharedFlags & PasswordFlags) => {
      await administer(readConfig(flags), 'user.passwd', { jid, password: await needPassword(flags, jid) })
      print(`the password of ${jid} is set`)
    })

  withSharedFlags(user.command('list'))
    .description('List the accounts with their roles and live sessions.')
    .option('--json', 'print one JSON array')
    .action(async (flags: SharedFlags & { json?: true }) => {
      // The verb's own result, see administration.ts.
      const accounts = (await administer(readConfig(flags), 'user.list', {})) as readonly ListedAccount[]
      if (flags.json) printJson(accounts)
      else
        printTable(
          ['account', 'roles', 'sessions'],
          accounts.map((account) => [account.jid, account.roles.join(' '), String(account.sessions)]),
        )
    })

  withSharedFlags(user.command('remove').argument('<jid>'))
    .description('Remove an account; its sessions end.')
    .action(async (jid: string, flags: SharedFlags) => {
      // The verb's own result, see administration.ts.
      const notes = (await administer(readConfig(flags), 'user.remove', { jid })) as readonly string[]
      print([`removed ${jid}`, ...notes.map(printable)].join('\n'))
    })
}

export function roleCommand(role: Command): void {
  for (const [name, verb, done] of [
    ['grant', 'role.grant', 'granted'],
    ['revoke', 'role.revoke', 'revoked'],
  ] as const) {
    withSharedFlags(role.command(name).argument('<jid>').argument('<role>'))
      .description(name === 'grant' ? 'Give an account a role.' : 'Take a role from an account; its sessions end.')
      .addHelpText('after', ROLE_HELP)
      .action(async (jid: string, roleText: string, flags: SharedFlags) => {
        await administer(readConfig(flags), verb, { jid, role: roleText })
        print(`${done} ${roleText}: ${jid}`)
      })
  }
}

async function needPassword(flags: PasswordFlags, jid: string): Promise<string> {
  const password = await readPassword(flags, `Password for ${jid}: `)
  if (password === undefined) {
    throw new CliError(
      EXIT.misuse,
      'no password given',
      'Use --password-stdin, --password-file FILE, SACM_PASSWORD, or a terminal.',
    )
  }
  return password
}

/** Commands on accounts and their sessions. XEP-0133 §4.1 to §4.10. */

import type {
  AdHocCommand,
  Administration,
  CommandForm,
  CommandResult,
  SessionHandle,
  SessionView,
} from '../../server/module/api.ts'
import { StanzaError, StreamError } from '../../server/stanza/errors.ts'
import { type DataForm, type FormField, readList, readText } from '../../server/stanza/forms.ts'
import { type Jid, parseJid } from '../../server/stanza/jid.ts'
import { formatDateTime } from '../../server/stanza/time.ts'
import { childElements } from '../../server/xml/element.ts'
import type { Rosters } from '../roster/index.ts'
import {
  accountField,
  accountOf,
  accountsField,
  accountsOf,
  askingForm,
  NS_ADMIN,
  passwordField,
  resultOf,
  told,
} from './forms.ts'
import type { Logins } from './logins.ts'

/** Not of XEP-0133: the roles of SACM components. */
const NODE_ROLES = 'urn:sacm-xmpp:admin#edit-roles'

export interface AccountParts {
  readonly administration: Administration
  readonly sessions: SessionView
  readonly rosters: Rosters
  readonly logins: Pick<Logins, 'last'>
}

type Request = Parameters<AdHocCommand['run']>[0]
type Command = Omit<AdHocCommand, 'mayRun'>

/** A command of one form. */
function oneForm(
  node: string,
  name: string,
  form: DataForm,
  submit: (filled: DataForm, request: Request) => ReturnType<CommandForm['submit']>,
): Command {
  return {
    node: `${NS_ADMIN}#${node}`,
    name,
    run: (request) => ({ form, isLast: true, submit: (filled) => submit(filled, request) }),
  }
}

export function accountCommands(parts: AccountParts): readonly Command[] {
  const { administration, sessions } = parts
  /** @throws StanzaError before anything is done: item-not-found; not-allowed for the administrator's own account */
  const others = (filled: DataForm, { asker }: Request): readonly string[] =>
    accountsOf(filled).map(({ bare }) => {
      if (bare === asker.bare) throw new StanzaError('cancel', 'not-allowed', 'that is your own account')
      known(administration, bare)
      return bare
    })

  return [
    oneForm(
      'add-user',
      'Add user',
      askingForm(
        'Adding a user',
        'Fill out this form to add a user.',
        accountField('The address of the account to be added'),
        passwordField('password', 'The password for this account'),
        passwordField('password-verify', 'Retype the password'),
      ),
      async (filled) => {
        const account = accountOf(filled)
        const password = readText(filled, 'password') ?? ''
        if (readText(filled, 'password-verify') !== password)
          throw new StanzaError('modify', 'not-acceptable', 'the two passwords differ')
        await administration.add(account, password)
        return told(`${account.bare} was added.`)
      },
    ),
    oneForm(
      'delete-user',
      'Delete users',
      askingForm(
        'Deleting users',
        'Their accounts and data are gone for good.',
        accountsField('The addresses to delete'),
      ),
      async (filled, request) => {
        const doomed = others(filled, request)
        const notes: string[] = []
        for (const bareJid of doomed) notes.push(...(await administration.remove(bareJid)))
        return told([`${doomed.length} deleted.`, ...notes].join('\n'))
      },
    ),
    oneForm(
      'disable-user',
      'Disable users',
      askingForm(
        'Disabling users',
        'They cannot log in; their data is kept.',
        accountsField('The addresses to disable'),
      ),
      async (filled, request) => {
        const disabled = others(filled, request)
        for (const bareJid of disabled) await administration.setDisabled(bareJid, true)
        return told(`${disabled.length} disabled.`)
      },
    ),
    oneForm(
      'reenable-user',
      'Re-enable users',
      askingForm('Re-enabling users', 'They can log in again.', accountsField('The addresses to re-enable')),
      async (filled, request) => {
        const enabled = others(filled, request)
        for (const bareJid of enabled) await administration.setDisabled(bareJid, false)
        return told(`${enabled.length} re-enabled.`)
      },
    ),
    oneForm(
      'end-user-session',
      'End sessions',
      askingForm(
        'Ending sessions',
        'All sessions of an account, or one by its full address.',
        accountsField('The addresses for which to end sessions'),
      ),
      (filled) => {
        const ended = accountsOf(filled).flatMap((jid) => sessionsOf(sessions, jid))
        for (const session of ended)
          sessions.close(session, new StreamError('policy-violation', 'an administrator ended this session'))
        return told(`${ended.length} ended.`)
      },
    ),
    oneForm(
      'change-user-password',
      'Change a password',
      askingForm(
        'Changing a password',
        'All sessions of the account end.',
        accountField('The address of the account'),
        passwordField('password', 'The new password'),
      ),
      async (filled, { session }) => {
        const { bare } = accountOf(filled)
        await administration.setPassword(known(administration, bare), readText(filled, 'password') ?? '', session)
        return told(`The password of ${bare} was changed.`)
      },
    ),
    oneForm(
      'get-user-roster',
      "Get a user's roster",
      askingForm('Getting a roster', 'One account at a time.', accountsField('The address of the account')),
      async (filled) => {
        const bare = oneAccount(administration, filled)
        return { result: ofAccount(bare), inResult: [await parts.rosters.read(bare)] }
      },
    ),
    oneForm(
      'get-user-lastlogin',
      'Get the last login of a user',
      askingForm('Getting a last login', 'One account at a time.', accountsField('The address of the account')),
      async (filled) => {
        const bare = oneAccount(administration, filled)
        const at = Math.max(...sessions.of(bare).map(({ boundAt }) => boundAt), (await parts.logins.last(bare)) ?? 0)
        if (at === 0) return { result: ofAccount(bare), note: { type: 'info', text: 'It has never logged in.' } }
        return { result: ofAccount(bare, { name: 'lastlogin', values: [formatDateTime(at)] }) }
      },
    ),
    oneForm(
      'user-stats',
      'Sessions of a user',
      askingForm(
        'Sessions of a user',
        'Where an account is logged in from.',
        accountField('The address of the account'),
      ),
      async (filled) => {
        const bare = known(administration, accountOf(filled).bare)
        const online = sessions.of(bare)
        const roster = await parts.rosters.read(bare)
        return {
          result: resultOf(
            { name: 'ipaddresses', type: 'text-multi', values: [...new Set(online.map((each) => each.remoteAddress))] },
            { name: 'rostersize', values: [String(childElements(roster).length)] },
            { name: 'onlineresources', type: 'text-multi', values: online.map((each) => each.fullJid.resource) },
          ),
        }
      },
    ),
    {
      node: `${NS_ADMIN}#edit-admin`,
      name: 'Edit administrators',
      run: ({ asker }) => ({
        form: askingForm('Editing the list of administrators', 'Who is left out is one no more.', {
          name: 'adminjids',
          type: 'jid-multi',
          label: 'The administrators',
          required: true,
          values: administrators(administration),
        }),
        isLast: true,
        submit: (filled) => setAdministrators(administration, filled, asker),
      }),
    },
    {
      node: NODE_ROLES,
      name: 'Edit roles',
      run: ({ session }) => ({
        form: askingForm('Editing roles', 'Whose roles?', accountField('The address of the account')),
        isLast: false,
        submit: (filled) => rolesForm(administration, known(administration, accountOf(filled).bare), session),
      }),
    },
  ]
}

/** A role may say what it reaches: `admin`, `admin:any`. */
const isAdmin = (role: string): boolean => /^admin(?::|$)/.test(role)

function administrators(administration: Administration): string[] {
  const accounts = administration.accounts().map(({ bareJid }) => bareJid)
  return accounts.filter((bareJid) => administration.roles(bareJid).some(isAdmin))
}

/** All is checked before anything is done. @throws StanzaError item-not-found; not-allowed for giving up the own right */
async function setAdministrators(administration: Administration, filled: DataForm, asker: Jid): Promise<CommandResult> {
  const wanted = new Set(
    (readList(filled, 'adminjids') ?? []).flatMap((text) => (text === '' ? [] : parseJid(text).bare)),
  )
  for (const bareJid of wanted) known(administration, bareJid)
  if (!wanted.has(asker.bare)) throw new StanzaError('cancel', 'not-allowed', 'that would end your own right to do so')
  const present = administrators(administration)
  for (const bareJid of present.filter((each) => !wanted.has(each)))
    await administration.setRoles(
      bareJid,
      administration.roles(bareJid).filter((role) => !isAdmin(role)),
    )
  for (const bareJid of [...wanted].filter((each) => !present.includes(each)))
    await administration.setRoles(bareJid, [...administration.roles(bareJid), 'admin'])
  return told(`${wanted.size} administrators.`)
}

function rolesForm(administration: Administration, bareJid: string, session: SessionHandle | undefined): CommandForm {
  return {
    form: askingForm(`Editing the roles of ${bareJid}`, 'One per line, as `sacm role grant` takes them.', {
      name: 'roles',
      type: 'text-multi',
      label: 'Roles',
      values: administration.roles(bareJid),
    }),
    isLast: true,
    submit: async (filled) => {
      const roles = (readList(filled, 'roles') ?? []).filter((text) => text.trim() !== '')
      await administration.setRoles(bareJid, roles, session)
      return told(`${bareJid} has ${roles.length} roles.`)
    },
  }
}

/** @throws StanzaError item-not-found; not-acceptable for several */
function oneAccount(administration: Administration, filled: DataForm): string {
  const [account, ...more] = accountsOf(filled)
  if (!account || more.length > 0) throw new StanzaError('modify', 'not-acceptable', 'one account at a time')
  return known(administration, account.bare)
}

function ofAccount(bareJid: string, ...fields: readonly FormField[]): DataForm {
  return resultOf({ name: 'accountjids', type: 'jid-multi', values: [bareJid] }, ...fields)
}

/** @throws StanzaError item-not-found */
function known(administration: Administration, bareJid: string): string {
  if (!administration.exists(bareJid))
    throw new StanzaError('cancel', 'item-not-found', `there is no account ${bareJid}`)
  return bareJid
}

function sessionsOf(sessions: SessionView, jid: Jid): readonly SessionHandle[] {
  if (jid.resource === '') return sessions.of(jid.bare)
  const session = sessions.get(jid.full)
  return session ? [session] : []
}

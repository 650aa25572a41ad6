/** Commands that count and list users. XEP-0133 §4.13 to §4.22. */

import type { AdHocCommand, Administration, SessionHandle, SessionView } from '../../server/module/api.ts'
import { type DataForm, readText } from '../../server/stanza/forms.ts'
import { parseJid } from '../../server/stanza/jid.ts'
import { childOf, textOf } from '../../server/xml/element.ts'
import { NS_CLIENT } from '../../server/xml/namespaces.ts'
import { askingForm, NS_ADMIN, resultOf } from './forms.ts'

export interface ListParts {
  readonly administration: Administration
  readonly sessions: SessionView
}

type Command = Omit<AdHocCommand, 'mayRun'>

interface Kind {
  /** As it stands in the names of the fields. */
  readonly field: string
  readonly countNode: string
  readonly listNode: string
  readonly title: string
  /** By address. */
  readonly list: () => readonly string[]
}

const SIZES = ['25', '50', '75', '100', '150', '200'] as const
const DEFAULT_SIZE = '100'
/** What one answer holds at most, whoever asks for all. */
const MAX_LISTED = 1000

export function listCommands({ administration, sessions }: ListParts): readonly Command[] {
  const accounts = (isDisabled: boolean | undefined) => () =>
    administration
      .accounts()
      .filter((account) => isDisabled === undefined || account.isDisabled === isDisabled)
      .map((account) => account.bareJid)
  const online = (which: (of: readonly SessionHandle[]) => boolean) => () =>
    [...Map.groupBy(sessions.all(), (session) => session.bareJid)]
      .filter(([, of]) => which(of))
      .map(([bareJid]) => bareJid)
      .sort()
  const kinds: readonly Kind[] = [
    kind('registered', 'Registered users', accounts(undefined)),
    kind('disabled', 'Disabled users', accounts(true)),
    kind(
      'online',
      'Online users',
      online(() => true),
    ),
    // XEP-0133 §4.16 and §4.17 leave it to the service what idle is: nobody at any of the user's clients.
    { ...kind('active', 'Active users', online(hasSomebody)), listNode: 'get-active-users' },
    {
      ...kind(
        'idle',
        'Idle users',
        online((of) => !hasSomebody(of)),
      ),
      listNode: 'get-idle-users',
    },
  ]
  return kinds.flatMap((each) => [countCommand(each), listCommand(each)])
}

function kind(field: string, title: string, list: () => readonly string[]): Kind {
  return { field, title, countNode: `get-${field}-users-num`, listNode: `get-${field}-users-list`, list }
}

function countCommand({ field, title, countNode, list }: Kind): Command {
  return {
    node: `${NS_ADMIN}#${countNode}`,
    name: `${title}: how many`,
    run: () => ({
      result: resultOf({
        name: `${field}usersnum`,
        type: 'text-single',
        label: title,
        values: [String(list().length)],
      }),
    }),
  }
}

function listCommand({ field, title, listNode, list }: Kind): Command {
  const form = askingForm(
    title,
    'The list goes by address; it can be continued.',
    {
      name: 'max_items',
      type: 'list-single',
      label: 'How many to show at most',
      options: [...SIZES.map((value) => ({ value, label: value })), { value: 'none', label: `All (${MAX_LISTED})` }],
      values: [DEFAULT_SIZE],
    },
    // Not of XEP-0133, which leaves paging out.
    { name: 'after', type: 'jid-single', label: 'Begin after this address', values: [] },
  )
  return {
    node: `${NS_ADMIN}#${listNode}`,
    name: title,
    run: () => ({ form, isLast: true, submit: (filled) => page(field, title, list(), filled) }),
  }
}

function page(field: string, title: string, all: readonly string[], filled: DataForm) {
  const wanted = readText(filled, 'max_items') ?? DEFAULT_SIZE
  const after = readText(filled, 'after')
  const from = after ? parseJid(after).bare : ''
  const rest = all.filter((bareJid) => bareJid > from)
  const values = rest.slice(0, wanted === 'none' ? MAX_LISTED : Number(wanted))
  const isCut = values.length < rest.length
  return {
    ...(isCut
      ? { note: { type: 'info' as const, text: `${rest.length - values.length} more after ${values.at(-1)}` } }
      : {}),
    result: resultOf({ name: `${field}userjids`, type: 'jid-multi', label: title, values }),
  }
}

/** A client that is available and not away. RFC 6121 §4.7.2.1. */
function hasSomebody(of: readonly SessionHandle[]): boolean {
  return of.some(({ presence }) => {
    if (!presence) return false
    const show = childOf(presence, 'show', NS_CLIENT)
    const state = show ? textOf(show) : ''
    return state !== 'away' && state !== 'xa'
  })
}

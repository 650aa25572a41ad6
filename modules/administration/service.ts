/** Commands on the service as a whole: announcing, shutting down, restarting. XEP-0133 §4.23, §4.30, §4.31. */

import type { AdHocCommand, Administration, Logger, SessionView } from '../../server/module/api.ts'
import { type DataForm, type FormField, readList, readText } from '../../server/stanza/forms.ts'
import { el } from '../../server/xml/element.ts'
import { askingForm, NS_ADMIN, told } from './forms.ts'

export interface ServiceParts {
  readonly domain: string
  readonly administration: Administration
  readonly sessions: SessionView
  readonly closing: AbortSignal
  readonly log: Logger
}

type Command = Omit<AdHocCommand, 'mayRun'>

const DELAYS = [
  ['0', 'now'],
  ['30', '30 seconds'],
  ['60', '60 seconds'],
  ['90', '90 seconds'],
  ['120', '2 minutes'],
  ['180', '3 minutes'],
  ['240', '4 minutes'],
  ['300', '5 minutes'],
] as const
const DEFAULT_DELAY = '30'

const announcement: FormField = { name: 'announcement', type: 'text-multi', label: 'Announcement', values: [] }

export function serviceCommands(parts: ServiceParts): readonly Command[] {
  /** The last one asked for holds. */
  let timer: NodeJS.Timeout | undefined
  parts.closing.addEventListener('abort', () => clearTimeout(timer))
  const ending = (how: 'shutdown' | 'restart', title: string): Command => ({
    node: `${NS_ADMIN}#${how}`,
    name: title,
    run: ({ asker }) => ({
      form: askingForm(
        title,
        'Everybody is told, if there is an announcement.',
        {
          name: 'delay',
          type: 'list-single',
          label: 'Delay',
          options: DELAYS.map(([value, label]) => ({ value, label })),
          values: [DEFAULT_DELAY],
        },
        announcement,
      ),
      isLast: true,
      submit: (filled) => {
        const text = textIn(filled)
        if (text !== '') announce(parts, text)
        const seconds = Number(readText(filled, 'delay') || DEFAULT_DELAY)
        parts.log.warn({ what: 'stop_requested', how, by: asker.bare, delaySeconds: seconds })
        clearTimeout(timer)
        // Even now is later: the answer goes first.
        timer = setTimeout(() => parts.administration.stop(how), seconds * 1000)
        timer.unref()
        return told(`In ${seconds} seconds.`)
      },
    }),
  })
  return [
    {
      node: `${NS_ADMIN}#announce`,
      name: 'Announce to online users',
      run: () => ({
        form: askingForm('Making an announcement', 'All users who are online get it.', {
          ...announcement,
          required: true,
        }),
        isLast: true,
        submit: (filled) => told(`${announce(parts, textIn(filled))} clients were told.`),
      }),
    },
    ending('restart', 'Restart the service'),
    ending('shutdown', 'Shut down the service'),
  ]
}

function textIn(filled: DataForm): string {
  return (readList(filled, 'announcement') ?? []).join('\n').trim()
}

/** To every client that is available. @returns how many */
function announce({ domain, sessions }: ServiceParts, text: string): number {
  let told = 0
  for (const session of sessions.all()) {
    if (!session.presence) continue
    // A headline is of the moment: nobody keeps it for later. RFC 6121 §5.2.2.
    const message = el(
      'message',
      { from: domain, to: session.fullJid.full, type: 'headline', 'xml:lang': 'en' },
      el('subject', {}, 'Announcement'),
      el('body', {}, text),
    )
    if (sessions.deliver(session, message)) told++
  }
  return told
}

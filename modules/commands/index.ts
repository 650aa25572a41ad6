/** Commands that people run from their clients, with forms. XEP-0050. */

import {
  type AdHocCommand,
  defineModule,
  ENDPOINTS,
  type EndpointView,
  type IqRequest,
  integer,
  type Options,
  option,
  type ValuesOf,
} from '../../server/module/api.ts'
import { pageOf } from '../../server/stanza/rsm.ts'
import type { Element } from '../../server/xml/element.ts'
import { NS_FORMS } from '../../server/xml/namespaces.ts'
import { commandError } from './errors.ts'
import { fillIn } from './fill-in.ts'
import { type CommandSession, CommandSessions } from './sessions.ts'
import { type CommandRequest, NS_COMMANDS, parseCommand, renderCommand } from './xml.ts'

const SWEEP_MS = 30_000
const MAX_LISTED = 500
/** Forms to go back to; beyond it the first is forgotten. */
const MAX_STAGES = 50

const config = {
  sessionSeconds: option(integer(600, 5, 86_400), 'how long a command waits for its next form; later: session-expired'),
  sessionsPerClientMax: option(
    integer(10, 1, 1000),
    'commands that one client has under way; more: resource-constraint',
  ),
  sessionsMax: option(integer(1000, 1, 100_000), 'commands under way in all; more: resource-constraint'),
} satisfies Options

export const commands = defineModule<ValuesOf<typeof config>>({
  name: 'commands',
  specs: [
    {
      doc: 'XEP-0050',
      version: '1.3.0',
      status: 'partial',
      omits: 'announcing the list (§2.3), other languages than English (§3.7)',
    },
  ],
  requires: ['disco'],
  config,
  setup(ctx) {
    const { sessionSeconds, sessionsPerClientMax, sessionsMax } = ctx.config()
    const sessions = new CommandSessions(
      { perRequester: sessionsPerClientMax, total: sessionsMax, idleMs: sessionSeconds * 1000 },
      ctx.clock,
    )
    ctx.every(SWEEP_MS, async () => sessions.sweep())
    ctx.on('observe', 'session.closed', ({ session }) => sessions.endAllOf(session.fullJid.full))
    // Once every module has registered what it has.
    ctx.starting(async () =>
      ctx.use(ENDPOINTS).each((endpoint) => {
        if (endpoint.commands.length > 0) serve(endpoint, sessions)
      }),
    )
  },
})

function serve(endpoint: EndpointView, sessions: CommandSessions): void {
  endpoint.feature(NS_COMMANDS)
  endpoint.items(({ node, asker, page, to }) => {
    // An account's commands are its owner's.
    if (node !== NS_COMMANDS || (endpoint.at === 'account' && asker.bare !== to.bare)) return undefined
    const listed = endpoint.commands
      .filter((command) => command.mayRun(asker))
      .map(({ node, name }) => ({ jid: to.bare, node, name }))
    return pageOf(listed, (item) => item.node, page, MAX_LISTED)
  })
  endpoint.info(({ node, asker }) => {
    if (node === NS_COMMANDS)
      return { identities: [{ category: 'automation', type: 'command-list' }], features: [NS_COMMANDS] }
    const command = endpoint.commands.find((each) => each.node === node)
    if (!command) return undefined
    if (!command.mayRun(asker)) throw commandError('forbidden') // XEP-0050 §2.2
    return {
      identities: [{ category: 'automation', type: 'command-node', name: command.name }],
      features: [NS_COMMANDS, NS_FORMS],
    }
  })
  endpoint.onIq('set', `{${NS_COMMANDS}}command`, (iq) => {
    const request = parseCommand(iq.payload)
    const command = endpoint.commands.find((each) => each.node === request.node)
    if (!command) throw commandError('noSuchCommand', 'there is no such command here')
    if (!command.mayRun(iq.from)) throw commandError('forbidden')
    if (request.action === undefined) throw commandError('malformedAction')
    if (request.sessionId === undefined) return begin(command, request, iq, sessions)
    return goOn(sessions.find(request.sessionId, iq.from.full, command.node), request, sessions)
  })
}

async function begin(
  command: AdHocCommand,
  { action, node }: CommandRequest,
  { from, session }: IqRequest,
  sessions: CommandSessions,
): Promise<Element> {
  if (action !== 'execute') throw commandError('badAction', 'a command begins with execute')
  const step = await command.run({ asker: from, session })
  if (!('form' in step))
    return renderCommand(node, sessions.newId(from.full, node), { status: 'completed', result: step })
  const opened = sessions.open(from.full, node, step)
  return renderCommand(node, opened.id, { status: 'executing', stage: step, hasPrevious: false })
}

async function goOn(session: CommandSession, request: CommandRequest, sessions: CommandSessions): Promise<Element> {
  const { node, action } = request
  const { id, stages } = session
  const current = stages.at(-1)
  if (!current || session.isBusy) throw commandError('badAction', 'the form before is still being worked on')
  if (action === 'cancel') {
    sessions.end(session)
    return renderCommand(node, id, { status: 'canceled' })
  }
  if (action === 'prev') {
    const previous = stages.at(-2)
    if (!previous) throw commandError('badAction', 'this is the first form')
    stages.pop()
    return renderCommand(node, id, { status: 'executing', stage: previous, hasPrevious: stages.length > 1 })
  }
  if (action !== 'execute' && action !== (current.isLast ? 'complete' : 'next'))
    throw commandError('badAction', current.isLast ? 'this is the last form' : 'another form follows')
  const filled = fillIn(current.form, request.form)
  session.isBusy = true
  try {
    const step = await current.submit(filled)
    if ('form' in step) {
      stages.push(step)
      if (stages.length > MAX_STAGES) stages.shift()
      return renderCommand(node, id, { status: 'executing', stage: step, hasPrevious: true })
    }
    sessions.end(session)
    return renderCommand(node, id, { status: 'completed', result: step })
  } finally {
    session.isBusy = false
  }
}

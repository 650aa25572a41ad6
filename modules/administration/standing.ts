/**
 * Messages that stand until an administrator deletes them: of the day, once to every account; of welcome, to who logs
 * in for the first time. XEP-0133 §4.24 to §4.28. Both go by when an account logged in last.
 */

import type { AdHocCommand, ModuleContext, SessionHandle } from '../../server/module/api.ts'
import { StanzaError } from '../../server/stanza/errors.ts'
import { type DataForm, readList } from '../../server/stanza/forms.ts'
import { el } from '../../server/xml/element.ts'
import { askingForm, NS_ADMIN, told } from './forms.ts'
import type { Logins } from './logins.ts'
import type { AdministrationStore, MessageKind, StandingMessage } from './store.ts'

export interface StandingParts {
  readonly ctx: Pick<ModuleContext, 'domain' | 'storage' | 'sessions' | 'accounts' | 'clock'>
  readonly store: AdministrationStore
  readonly logins: Logins
}

type Command = Omit<AdHocCommand, 'mayRun'>

const TITLES: Readonly<Record<MessageKind, string>> = { motd: 'Message of the day', welcome: 'Welcome message' }

export class Standing {
  readonly #parts: StandingParts
  readonly #messages = new Map<MessageKind, StandingMessage>()
  /** Sessions of accounts that had never logged in. */
  readonly #newcomers = new WeakSet<SessionHandle>()
  /** Accounts of which a resource is getting the message of the day. */
  readonly #telling = new Set<string>()

  constructor(parts: StandingParts) {
    this.#parts = parts
  }

  async load(): Promise<void> {
    const { ctx, store } = this.#parts
    for (const message of await ctx.storage.run(store.readMessages, undefined))
      this.#messages.set(message.kind, message)
  }

  async bound(session: SessionHandle): Promise<void> {
    const { ctx, store, logins } = this.#parts
    const { bareJid } = session
    // An anonymous account goes with its session.
    if (!ctx.accounts.exists(bareJid)) return
    const mayBeFirst = this.#messages.has('welcome') && !logins.isUnwritten(bareJid)
    const before = mayBeFirst ? ctx.storage.run(store.readLogin, { bareJid }) : undefined
    logins.note(bareJid)
    if (before && (await before) === undefined) this.#newcomers.add(session)
  }

  /** The session takes messages from now on. */
  async available(session: SessionHandle): Promise<void> {
    const { ctx, store, logins } = this.#parts
    const { bareJid } = session
    const [motd, welcome] = [this.#messages.get('motd'), this.#messages.get('welcome')]
    if (welcome && this.#newcomers.delete(session)) this.#send(session, welcome)
    if (!motd || this.#telling.has(bareJid)) return
    this.#telling.add(bareJid)
    try {
      await logins.written()
      const record = await ctx.storage.run(store.readLogin, { bareJid })
      // Another may be the one of the day by now.
      if (this.#messages.get('motd')?.setAt !== motd.setAt || !record || record.motdSetAt === motd.setAt) return
      if (this.#send(session, motd)) await ctx.storage.run(store.noteMotd, { bareJids: [bareJid], setAt: motd.setAt })
    } finally {
      this.#telling.delete(bareJid)
    }
  }

  commands(): readonly Command[] {
    return [
      this.#setting('set-motd', 'motd', 'Who is online gets it now, everybody else when they log in.', false),
      this.#setting('edit-motd', 'motd', 'Who has got it already does not get it again.', true),
      this.#deleting('delete-motd', 'motd'),
      this.#setting('set-welcome', 'welcome', 'Who logs in for the first time gets it.', true),
      this.#deleting('delete-welcome', 'welcome'),
    ]
  }

  /** @param isEdit  the form holds the present text, and a correction of it is no new message */
  #setting(node: string, kind: MessageKind, instructions: string, isEdit: boolean): Command {
    const title = `${isEdit && kind === 'motd' ? 'Edit' : 'Set'} the ${TITLES[kind].toLowerCase()}`
    const command = async (filled: DataForm) => {
      const body = (readList(filled, kind) ?? []).join('\n').trim()
      const { ctx, store } = this.#parts
      const present = this.#messages.get(kind)
      const setAt = isEdit && present ? present.setAt : Math.max(ctx.clock.now(), (present?.setAt ?? 0) + 1)
      const message = { kind, body, setAt }
      await ctx.storage.run(store.setMessage, message, () => this.#messages.set(kind, message))
      if (kind === 'motd' && !(isEdit && present)) await this.#tellAll(message)
      return told(`${TITLES[kind]}: set.`)
    }
    return {
      node: `${NS_ADMIN}#${node}`,
      name: title,
      run: () => {
        const values = isEdit ? (this.#messages.get(kind)?.body.split('\n') ?? []) : []
        const field = { name: kind, type: 'text-multi', label: TITLES[kind], required: true, values } as const
        return { form: askingForm(title, instructions, field), isLast: true, submit: command }
      },
    }
  }

  #deleting(node: string, kind: MessageKind): Command {
    const { ctx, store } = this.#parts
    return {
      node: `${NS_ADMIN}#${node}`,
      name: `Delete the ${TITLES[kind].toLowerCase()}`,
      run: async () => {
        const existed = await ctx.storage.run(store.deleteMessage, { kind }, () => this.#messages.delete(kind))
        if (!existed) throw new StanzaError('cancel', 'item-not-found', 'none is set')
        return told(`${TITLES[kind]}: deleted.`)
      },
    }
  }

  async #tellAll(motd: StandingMessage): Promise<void> {
    const { ctx, store } = this.#parts
    const told = [...ctx.sessions.all()].filter(
      (session) => session.presence && session.priority >= 0 && this.#send(session, motd),
    )
    const bareJids = [...new Set(told.map(({ bareJid }) => bareJid))]
    await ctx.storage.run(store.noteMotd, { bareJids, setAt: motd.setAt })
  }

  #send(session: SessionHandle, { kind, body }: StandingMessage): boolean {
    const { domain, sessions } = this.#parts.ctx
    const message = el(
      'message',
      { from: domain, to: session.fullJid.full, type: 'headline', 'xml:lang': 'en' },
      el('subject', {}, TITLES[kind]),
      el('body', {}, body),
    )
    return sessions.deliver(session, message)
  }
}

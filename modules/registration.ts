/**
 * Users change their password and remove their account; where it is open, strangers make one before they log in.
 * XEP-0077.
 */

import * as z from 'zod'
import {
  ADMINISTRATION,
  type Administration,
  ConfigRefused,
  defineModule,
  type IqRequest,
  integer,
  kind,
  type LoginIq,
  type Options,
  option,
  type SessionHandle,
  type ValuesOf,
  yesNo,
} from '../server/module/api.ts'
import { StanzaError, StreamError } from '../server/stanza/errors.ts'
import { type DataForm, parseForm, readText, renderForm } from '../server/stanza/forms.ts'
import { JidError, makeJid } from '../server/stanza/jid.ts'
import { childElements, childOf, type Element, el, textOf } from '../server/xml/element.ts'
import { NS_FORMS } from '../server/xml/namespaces.ts'

const NS_REGISTER = 'jabber:iq:register'
const NS_OOB = 'jabber:x:oob'
const NS_REGISTER_FEATURE = 'http://jabber.org/features/iq-register'
const HOUR_MS = 3_600_000
/** Networks whose attempts are counted; beyond it the one heard of longest ago is forgotten. */
const MAX_NETWORKS = 10_000

const config = {
  open: option(yesNo(false), 'anyone may make an account (XEP-0077); refused where host is not loopback'),
  openToAll: option(yesNo(false), 'lets registration.open stand where host is not loopback'),
  perHourMax: option(
    integer(10, 1, 1_000_000),
    'attempts to make an account from one IPv4 address or IPv6 /64 in an hour; more: not-acceptable',
  ),
  redirectUrl: option(
    kind(() => z.union([z.literal(''), z.url({ protocol: /^https?$/ })]), ''),
    'page where accounts are made, told to strangers while registration.open is off (XEP-0077 §5)',
  ),
} satisfies Options

export const registration = defineModule<ValuesOf<typeof config>>({
  name: 'registration',
  specs: [
    {
      doc: 'XEP-0077',
      version: '2.4',
      status: 'partial',
      omits: 'fields other than a name and a password; old-style error codes (§9)',
    },
  ],
  config,
  setup(ctx) {
    const { open, openToAll, perHourMax, redirectUrl } = ctx.config()
    if (open && !openToAll && !ctx.isLoopback) {
      throw new ConfigRefused(
        'registration.open lets anyone who reaches this server make an account, and host is not loopback',
        'Set host to 127.0.0.1 or ::1, or registration.openToAll=true as well.',
      )
    }
    const administration = ctx.use(ADMINISTRATION)
    const budget = new Budget(perHourMax, () => ctx.clock.now())
    ctx.endpoint('server').feature(NS_REGISTER)
    for (const at of ['server', 'account'] as const) {
      const endpoint = ctx.endpoint(at)
      endpoint.onIq('get', `{${NS_REGISTER}}query`, (iq) => describeAccount(administration, iq))
      endpoint.onIq('set', `{${NS_REGISTER}}query`, (iq) =>
        changeAccount(administration, iq, (session, error) => ctx.sessions.close(session, error)),
      )
    }
    const feature = open || redirectUrl !== '' ? el('register', { xmlns: NS_REGISTER_FEATURE }) : undefined
    ctx.streamFeature({
      advertise: (state) => (state === 'login' ? feature : undefined),
      loginIq: {
        payload: `{${NS_REGISTER}}query`,
        handler: (iq) => {
          if (!open && redirectUrl !== '' && iq.type === 'get') return redirection(redirectUrl)
          // XEP-0077 §3.1: what a host answers that does not support it
          if (!open) throw new StanzaError('cancel', 'service-unavailable', 'accounts are made by administrators here')
          return register(administration, ctx.domain, budget, iq)
        },
      },
    })
  },
})

/** XEP-0077 §3.1, before login. */
async function register(
  administration: Administration,
  domain: string,
  budget: Budget,
  { type, payload, network }: LoginIq,
): Promise<Element | undefined> {
  if (type === 'get') {
    return el(
      'query',
      { xmlns: NS_REGISTER },
      el('instructions', {}, 'Choose a name and a password.'),
      el('username'),
      el('password'),
      renderForm(accountForm('Making an account', [])),
    )
  }
  // §3.2: nobody is registered here yet.
  if (childOf(payload, 'remove', NS_REGISTER)) throw new StanzaError('cancel', 'unexpected-request', 'log in first')
  const { username, password } = fieldsOf(payload)
  if (!username || !password) throw new StanzaError('modify', 'not-acceptable', 'a name and a password are needed')
  // §3.1.1: too many times before authenticating.
  if (!budget.take(network)) throw new StanzaError('wait', 'not-acceptable', 'too many attempts; try again later')
  await administration.add(accountJid(username, domain), password)
  return undefined
}

/** §3.1: what is on file. */
function describeAccount(administration: Administration, { from }: IqRequest): Element {
  if (!administration.exists(from.bare)) throw new StanzaError('cancel', 'service-unavailable')
  return el(
    'query',
    { xmlns: NS_REGISTER },
    el('registered'),
    el('instructions', {}, 'You may change your password, or remove your account.'),
    el('username', {}, from.local),
    el('password'),
    renderForm(accountForm('Changing the password', [from.local])),
  )
}

type Close = (session: SessionHandle, error: StreamError) => void

/** §3.2, §3.3. */
async function changeAccount(
  administration: Administration,
  { from, payload, session }: IqRequest,
  close: Close,
): Promise<undefined> {
  if (!administration.exists(from.bare))
    throw new StanzaError('auth', 'registration-required', 'you have no account here')
  if (childOf(payload, 'remove', NS_REGISTER)) {
    if (childElements(payload).length > 1) throw new StanzaError('modify', 'bad-request', 'remove stands alone')
    await administration.remove(from.bare, session)
    // §3.2: the answer first, then the end of the stream.
    if (session) setImmediate(() => close(session, new StreamError('not-authorized', 'the account is gone')))
    return undefined
  }
  const { username, password } = fieldsOf(payload)
  if (username === undefined || !password)
    throw new StanzaError('modify', 'bad-request', 'a new password, and your own name beside it, are needed')
  if (accountJid(username, from.domain).bare !== from.bare)
    throw new StanzaError('cancel', 'not-allowed', 'that is not your own name')
  await administration.setPassword(from.bare, password, session)
  return undefined
}

/** §5: instructions and an address, and no fields. */
function redirection(url: string): Element {
  return el(
    'query',
    { xmlns: NS_REGISTER },
    el('instructions', {}, `Accounts are made at ${url}`),
    el('x', { xmlns: NS_OOB }, el('url', {}, url)),
  )
}

/** §4: the same fields once more, for clients that know forms. */
function accountForm(title: string, username: readonly string[]): DataForm {
  return {
    type: 'form',
    formType: NS_REGISTER,
    title,
    fields: [
      { name: 'username', type: 'text-single', label: 'Name', required: true, values: username },
      { name: 'password', type: 'text-private', label: 'Password', required: true, values: [] },
    ],
  }
}

/** From the form, or from the fields; never from both. §4, §6. @throws StanzaError */
function fieldsOf(query: Element): { username: string | undefined; password: string | undefined } {
  const x = childOf(query, 'x', NS_FORMS)
  if (x) {
    const form = parseForm(x)
    if (childElements(query).length > 1 || form.type !== 'submit' || (form.formType ?? NS_REGISTER) !== NS_REGISTER)
      throw new StanzaError('modify', 'bad-request', 'a submitted form stands alone')
    return { username: readText(form, 'username'), password: readText(form, 'password') }
  }
  const field = (name: string): string | undefined => {
    const element = childOf(query, name, NS_REGISTER)
    return element && textOf(element)
  }
  return { username: field('username'), password: field('password') }
}

function accountJid(username: string, domain: string) {
  try {
    const jid = makeJid(username, domain)
    if (jid.local !== '') return jid
  } catch (error) {
    if (!(error instanceof JidError)) throw error
  }
  throw new StanzaError('modify', 'not-acceptable', 'that cannot be a name')
}

/** Attempts per network within an hour of the first. */
class Budget {
  readonly #perHour: number
  readonly #now: () => number
  readonly #spent = new Map<string, { count: number; readonly since: number }>()

  constructor(perHour: number, now: () => number) {
    this.#perHour = perHour
    this.#now = now
  }

  /** False when there is none left. */
  take(network: string): boolean {
    const now = this.#now()
    let spent = this.#spent.get(network)
    if (!spent || now - spent.since >= HOUR_MS) {
      spent = { count: 0, since: now }
      this.#spent.delete(network)
      this.#spent.set(network, spent)
      const oldest = this.#spent.size > MAX_NETWORKS ? this.#spent.keys().next().value : undefined
      if (oldest !== undefined) this.#spent.delete(oldest)
    }
    return ++spent.count <= this.#perHour
  }
}

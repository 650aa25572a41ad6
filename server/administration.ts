/** Commands of administration, the same whether a running server takes them from its socket or a command line itself. */

import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import * as z from 'zod'
import { type ClientCertificate, revokeClientCertificates } from '../certs/client.ts'
import { CertificateError } from '../certs/errors.ts'
import { replaceFile } from '../certs/files.ts'
import { type Accounts, PasswordError } from './auth/accounts.ts'
import { ComponentError, type ComponentSecrets } from './auth/components.ts'
import { formatGrant, type Grant, isRole, parseGrant } from './auth/roles.ts'
import type { Backups } from './backups.ts'
import { type Administer, AdministrationError } from './control.ts'
import type { Administration, SessionHandle } from './module/api.ts'
import { StanzaError, StreamError } from './stanza/errors.ts'
import { JidError, parseJid } from './stanza/jid.ts'
import { escapeLocal } from './stanza/jid-escaping.ts'
import { Refusal } from './storage/storage.ts'

/** What `user list` shows of an account. */
export interface ListedAccount {
  readonly jid: string
  /** `collector:self`, `orchestrator`, as `--role` takes them. */
  readonly roles: readonly string[]
  readonly sessions: number
}

/** What `component list` shows. */
export interface ListedComponent {
  readonly domain: string
  readonly isConnected: boolean
}

export interface AdministrationParts {
  readonly domain: string
  readonly accounts: Accounts
  readonly components: ComponentSecrets
  /** Those connected, and how to end one; undefined when no server runs. */
  readonly connections?: {
    readonly connected: readonly string[]
    end(domain: string, error: StreamError): void
  }
  /** Live sessions of a bare JID; 0 when no server runs. */
  sessionsOf(bareJid: string): number
  /** Ends the sessions of an account that is gone or may no longer do what they do. */
  endSessions(bareJid: string): void
  /** Folder of the built-in authority. */
  readonly certificateDir: string
  /** Reads again what is revoked. */
  readonly onRevoked?: () => Promise<void>
  /** Undefined when no server runs: the command line then makes them itself. */
  readonly backups?: Backups
  /** Re-reads certificates; undefined when no server runs. */
  readonly reload?: () => Promise<void>
}

const userArgs = z.object({ jid: z.string() })
const addArgs = userArgs.extend({ password: z.string().min(1).max(1023), roles: z.array(z.string()) })
const passwordArgs = userArgs.extend({ password: z.string().min(1).max(1023) })
const roleArgs = userArgs.extend({ role: z.string() })
const revokeArgs = z.object({ what: z.string().min(1).max(3071) })
const backupArgs = z.object({ file: z.string().min(1).max(4095) })
const componentArgs = z.object({ domain: z.string() })
const addComponentArgs = componentArgs.extend({ secret: z.string().optional() })

type Verb = (args: unknown) => Promise<unknown>

/** The verbs, by name. Each rejects with AdministrationError for what the caller can mend. */
export function administration(parts: AdministrationParts): Administer {
  const { accounts, domain } = parts
  const localOf = (jid: string): string => localPart(jid, domain)
  const known = (jid: string): string => {
    const local = localOf(jid)
    if (!accounts.exists(`${local}@${domain}`)) throw new AdministrationError(`there is no account ${local}@${domain}`)
    return local
  }
  const verbs: Readonly<Record<string, Verb>> = {
    'user.add': async (args) => {
      const { jid, password, roles } = addArgs.parse(args)
      const local = localOf(jid)
      const grants = roles.map(grantOf)
      const isNew = await accounts.add(local, password, grants)
      if (!isNew) parts.endSessions(`${local}@${domain}`)
      return { jid: `${local}@${domain}`, isNew }
    },
    'user.passwd': async (args) => {
      const { jid, password } = passwordArgs.parse(args)
      const local = known(jid)
      await accounts.setPassword(local, password)
      // Whoever had the old password has no business in a session opened with it.
      parts.endSessions(`${local}@${domain}`)
    },
    'user.remove': async (args): Promise<readonly string[]> => {
      const local = known(userArgs.parse(args).jid)
      const notes = await accounts.remove(local)
      parts.endSessions(`${local}@${domain}`)
      return notes ?? []
    },
    'user.list': async (): Promise<readonly ListedAccount[]> =>
      accounts.list().map(({ local, grants }) => ({
        jid: `${local}@${domain}`,
        roles: grants.map(formatGrant),
        sessions: parts.sessionsOf(`${local}@${domain}`),
      })),
    'role.grant': async (args) => {
      const { jid, role } = roleArgs.parse(args)
      await accounts.grant(known(jid), grantOf(role))
    },
    'role.revoke': async (args) => {
      const { jid, role } = roleArgs.parse(args)
      const local = known(jid)
      if (!(await accounts.revoke(local, isRole(role) ? role : grantOf(role)))) {
        throw new AdministrationError(`${jid} does not have ${role}`)
      }
      // Topics are checked at each use, but what the session handles or subscribed to was granted once.
      parts.endSessions(`${local}@${domain}`)
    },
    'component.add': async (args) => {
      const { domain, secret } = addComponentArgs.parse(args)
      const added = await parts.components.add(domain, secret)
      parts.connections?.end(added.domain, new StreamError('reset', 'the secret was changed'))
      return added
    },
    'component.remove': async (args) => {
      const { domain } = componentArgs.parse(args)
      if (!(await parts.components.remove(domain))) throw new AdministrationError(`there is no component ${domain}`)
      parts.connections?.end(parseJid(domain).domain, new StreamError('host-gone', 'the component was removed'))
    },
    'component.list': async (): Promise<readonly ListedComponent[]> =>
      parts.components
        .domains()
        .map((domain) => ({ domain, isConnected: parts.connections?.connected.includes(domain) ?? false })),
    'cert.revoke': async (args): Promise<readonly ClientCertificate[]> => {
      const { what } = revokeArgs.parse(args)
      const bySerial = revokeClientCertificates(parts.certificateDir, what)
      const revoked =
        bySerial.length > 0 ? bySerial : revokeClientCertificates(parts.certificateDir, `${localOf(what)}@${domain}`)
      if (revoked.length === 0) throw new AdministrationError(`${what} has no certificate that is good`)
      await parts.onRevoked?.()
      for (const jid of new Set(revoked.map((each) => each.jid))) {
        const local = localOf(jid)
        // A token that came with the certificate would outlive it.
        await accounts.endTokens(local)
        parts.endSessions(`${local}@${domain}`)
      }
      return revoked
    },
    'backup.start': async (args) => backupsOf(parts).start(backupArgs.parse(args).file),
    'backup.status': async () => backupsOf(parts).status,
    'backup.stop': async () => backupsOf(parts).stop(),
    'server.reload': async () => {
      if (!parts.reload) throw new AdministrationError('no server runs on this folder')
      await parts.reload()
    },
  }
  return async (verb, args) => {
    const run = Object.hasOwn(verbs, verb) ? verbs[verb] : undefined
    if (!run) throw new AdministrationError(`there is no verb ${verb}`)
    try {
      return await run(args)
    } catch (error) {
      if (error instanceof PasswordError || error instanceof ComponentError)
        throw new AdministrationError(error.message, { cause: error })
      if (error instanceof CertificateError)
        throw new AdministrationError(`${error.message}. ${error.remedy}`, { cause: error })
      if (error instanceof z.ZodError) throw new AdministrationError(z.prettifyError(error), { cause: error })
      throw error
    }
  }
}

function backupsOf({ backups }: AdministrationParts): Backups {
  if (!backups) throw new AdministrationError('no server runs on this folder')
  return backups
}

function localPart(text: string, domain: string): string {
  try {
    const jid = parseJid(asAddress(text, domain))
    if (jid.domain !== domain) throw new AdministrationError(`${jid.domain} is not this server's domain, ${domain}`)
    if (jid.local === '' || jid.resource !== '')
      throw new AdministrationError(`${text} is not the address of an account: user@${domain}`)
    return jid.local
  } catch (error) {
    if (error instanceof JidError)
      throw new AdministrationError(`${text} is not an address: ${error.message}`, { cause: error })
    throw error
  }
}

/** An account as people write it: the domain may be left out, and what a local part cannot hold is escaped. XEP-0106 §4. */
function asAddress(text: string, domain: string): string {
  const suffix = `@${domain}`
  if (text.endsWith(suffix)) return `${escapeLocal(text.slice(0, -suffix.length))}${suffix}`
  return text.includes('@') ? text : `${escapeLocal(text)}${suffix}`
}

function grantOf(text: string): Grant {
  try {
    return parseGrant(text)
  } catch (error) {
    throw new AdministrationError(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

export interface InBandParts {
  readonly domain: string
  readonly accounts: Accounts
  /** Ends the sessions of an account, all but one. */
  readonly endSessions: (bareJid: string, except: SessionHandle | undefined) => void
  readonly stop: (how: 'shutdown' | 'restart') => void
}

/** The same for modules, whose callers are answered with stanza errors. */
export function inBandAdministration({ domain, accounts, endSessions, stop }: InBandParts): Administration {
  const known = (bareJid: string): string => {
    if (!accounts.exists(bareJid)) throw new StanzaError('cancel', 'item-not-found', `there is no account ${bareJid}`)
    return bareJid.slice(0, -domain.length - 1)
  }
  return {
    accounts: () => accounts.list().map(({ local, isDisabled }) => ({ bareJid: `${local}@${domain}`, isDisabled })),
    exists: (bareJid) => accounts.exists(bareJid),
    add: async ({ local, bare }, password) => {
      if (bare !== `${local}@${domain}`) throw notAcceptable(`${bare} is no address for an account of ${domain}`)
      await asStanzaErrors(accounts.add(local, password, [], { replace: false }))
    },
    remove: async (bareJid, except) => {
      const notes = await accounts.remove(known(bareJid))
      endSessions(bareJid, except)
      return notes ?? []
    },
    setPassword: async (bareJid, password, except) => {
      await asStanzaErrors(accounts.setPassword(known(bareJid), password))
      // Whoever had the old password has no business in a session opened with it.
      endSessions(bareJid, except)
    },
    setDisabled: async (bareJid, isDisabled) => {
      await asStanzaErrors(accounts.setDisabled(known(bareJid), isDisabled))
      if (isDisabled) endSessions(bareJid, undefined)
    },
    roles: (bareJid) => accounts.grants(bareJid).map(formatGrant),
    setRoles: async (bareJid, roles, except) => {
      const local = known(bareJid)
      await accounts.add(local, undefined, roles.map(acceptableGrant))
      // What a session handles or subscribed to was granted once.
      endSessions(bareJid, except)
    },
    stop,
  }
}

async function asStanzaErrors(change: Promise<unknown>): Promise<void> {
  try {
    await change
  } catch (error) {
    if (error instanceof PasswordError) throw notAcceptable(error.message)
    if (error instanceof Refusal && error.key === 'accountExists')
      throw new StanzaError('cancel', 'conflict', error.message)
    // It was removed in the meantime.
    if (error instanceof Refusal && error.key === 'noSuchAccount')
      throw new StanzaError('cancel', 'item-not-found', error.message)
    throw error
  }
}

function acceptableGrant(text: string): Grant {
  try {
    return parseGrant(text)
  } catch (error) {
    throw notAcceptable(error instanceof Error ? error.message : String(error))
  }
}

function notAcceptable(text: string): StanzaError {
  return new StanzaError('modify', 'not-acceptable', text)
}

/** File in the data folder with the first administrator's password, mode 0600. */
export function adminPasswordFile(dataDir: string): string {
  return join(dataDir, 'admin-password')
}

/**
 * Makes `admin@<domain>` when there is no account yet; its password goes to a file of mode 0600.
 * @returns the password when it was made now
 */
export async function ensureAdmin(accounts: Accounts, dataDir: string): Promise<string | undefined> {
  for (const _somebody of accounts.records()) return undefined
  const password = randomBytes(18).toString('base64url')
  const file = adminPasswordFile(dataDir)
  replaceFile(file, `${password}\n`, 0o600)
  await accounts.add('admin', password, [{ role: 'admin', scope: 'any' }])
  return password
}

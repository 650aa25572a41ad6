/** The options by which a client command reaches the server, and the errors of getting there in words. */

import { readFileSync } from 'node:fs'
import { type Command, InvalidArgumentError } from 'commander'
import { SaslError, StanzaError } from '../../server/stanza/errors.ts'
import { JidError, parseJid } from '../../server/stanza/jid.ts'
import { VERSION } from '../../server/version.ts'
import { Client, type ClientProfile } from '../core/client.ts'
import { discover, type Services } from '../core/discover.ts'
import type { ClientOptions } from '../core/options.ts'
import { WrongSecurityError } from '../core/wrong-security.ts'
import { CliError, EXIT } from './exit.ts'
import { type PasswordFlags, readPassword, withPasswordFlags } from './password.ts'

export interface ConnectionFlags extends PasswordFlags {
  readonly jid?: string
  readonly host?: string
  readonly port?: number
  readonly directTls?: true
  readonly ca?: string
}

/** Attempts of a one-shot command; a service tries for ever. */
const ONE_SHOT_LIMITS = { reconnectAttempts: 2, connectTimeoutMs: 10_000 }
const DISCOVERY_TIMEOUT_MS = 10_000

/** Adds `--jid`, the password options, `--host`, `--port`, `--direct-tls` and `--ca`. */
export function withConnectionFlags(command: Command): Command {
  return withPasswordFlags(command, { allowArgument: false })
    .option('--jid <jid>', 'the account to log in with: user@domain (or SACM_JID)')
    .option('--host <host>', "the server's host (or SACM_HOST; default: SRV records of the domain, else the domain)")
    .option('--port <n>', "the server's port (or SACM_PORT; default 5222, with --direct-tls 5223)", portNumber)
    .option('--direct-tls', 'TLS from the first byte instead of STARTTLS')
    .option('--ca <file>', "PEM file of the authority to trust (or SACM_CA; default: the system's)")
}

/** @throws CliError (misuse) naming what is missing */
export async function connectionOptions(flags: ConnectionFlags): Promise<ClientOptions> {
  const jid = flags.jid ?? process.env['SACM_JID']
  if (jid === undefined) throw new CliError(EXIT.misuse, 'no account given', 'Use --jid user@domain, or SACM_JID.')
  try {
    if (parseJid(jid).local === '') throw new CliError(EXIT.misuse, `${jid} names no account`, 'It takes user@domain.')
  } catch (error) {
    if (error instanceof JidError)
      throw new CliError(EXIT.misuse, `${jid} is not an address: ${error.message}`, undefined, { cause: error })
    throw error
  }
  const password = await readPassword(flags, `Password for ${jid}: `)
  if (password === undefined) {
    throw new CliError(
      EXIT.misuse,
      'no password given',
      'Use --password-file FILE, --password-stdin, SACM_PASSWORD, or a terminal.',
    )
  }
  const caFile = flags.ca ?? process.env['SACM_CA']
  const envPort = process.env['SACM_PORT']
  return {
    jid,
    password,
    host: flags.host ?? process.env['SACM_HOST'],
    port: flags.port ?? (envPort === undefined ? undefined : portNumber(envPort)),
    security: flags.directTls ? 'tls' : 'starttls',
    ca: caFile === undefined ? undefined : readCa(caFile),
    software: { name: 'sacm', version: VERSION },
  }
}

/** A connected client with the services it found, for commands that ask and leave. */
export interface Connected extends AsyncDisposable {
  readonly client: Client
  readonly services: Services
}

const ONE_SHOT_PROFILE: ClientProfile = {
  identities: [{ category: 'client', type: 'console', name: 'sacm' }],
  presence: false,
}

/** Logs in and finds the services. @throws CliError (unreachable) saying why not */
export async function connectOnce(flags: ConnectionFlags): Promise<Connected> {
  const options = await connectionOptions(flags)
  // A resource of its own: a component of the same account may be at work as /sacm.
  const jid = parseJid(options.jid).resource === '' ? `${options.jid}/cli-${process.pid}` : options.jid
  const client = new Client({ ...options, jid, limits: ONE_SHOT_LIMITS }, ONE_SHOT_PROFILE)
  try {
    await client.start()
    client.closed.catch(() => undefined)
    const services = await discover(client, parseJid(options.jid).domain, { timeoutMs: DISCOVERY_TIMEOUT_MS })
    return { client, services, [Symbol.asyncDispose]: () => client.close() }
  } catch (error) {
    await client.close()
    throw asConnectionError(error, options)
  }
}

/** By what the port wants. */
const WAYS_OUT = {
  tls: 'Use --direct-tls, or a port for STARTTLS: 5222 where nothing else is configured.',
  starttls: 'Go without --direct-tls, or use a port for direct TLS: 5223 where nothing else is configured.',
} as const

/** What kept a client from connecting, in words with the way out; anything else as it is. */
export function asConnectionError(error: unknown, options: Pick<ClientOptions, 'jid' | 'host' | 'port'>): unknown {
  if (!(error instanceof Error)) return error
  const where = `${options.host ?? parseJid(options.jid).domain}${options.port === undefined ? '' : `:${options.port}`}`
  if (error instanceof SaslError) {
    return new CliError(
      EXIT.unreachable,
      `the server refused the login of ${options.jid}: ${error.condition}`,
      'Check --jid and the password.',
      { cause: error },
    )
  }
  if (error instanceof WrongSecurityError)
    return new CliError(EXIT.unreachable, `cannot connect to ${where}: ${error.message}`, WAYS_OUT[error.wanted], {
      cause: error,
    })
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ECONNREFUSED')
    return new CliError(
      EXIT.unreachable,
      `nothing listens at ${where}`,
      'Is the server running? Check --host and --port.',
      { cause: error },
    )
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN')
    return new CliError(EXIT.unreachable, `the host ${where} is not known`, 'Name it with --host.', { cause: error })
  if (isCertificateFault(code)) {
    return new CliError(
      EXIT.unreachable,
      `the certificate of ${where} is not trusted: ${error.message}`,
      'Give the authority with --ca: `sacm cert ca --export ca.pem` on the server prints it.',
      { cause: error },
    )
  }
  return new CliError(EXIT.unreachable, `cannot connect to ${where}: ${error.message}`, undefined, { cause: error })
}

/** An error answer of the server, in words: exit code 1, since the server was reached and said no. */
export function asAnswerError(error: unknown): unknown {
  if (!(error instanceof StanzaError)) return error
  const detail = error.application.map((element) => {
    const attributes = Object.entries(element.attrs).filter(([name]) => !name.startsWith('xmlns'))
    return [element.getName(), ...attributes.map(([name, value]) => `${name}=${String(value)}`)].join(' ')
  })
  const text = [error.condition, ...detail].join(', ')
  return new CliError(
    EXIT.bad,
    error.message ? `${error.message} (${text})` : `the server answered ${text}`,
    undefined,
    { cause: error },
  )
}

function isCertificateFault(code: string | undefined): boolean {
  return code !== undefined && /^(ERR_TLS_CERT|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_)/.test(code)
}

function readCa(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new CliError(
      EXIT.misuse,
      `the authority's file cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      undefined,
      { cause: error },
    )
  }
}

function portNumber(text: string): number {
  const port = Number(text)
  if (!Number.isInteger(port) || port < 1 || port > 65535) throw new InvalidArgumentError('a port is 1 to 65535.')
  return port
}

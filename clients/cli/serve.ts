/** `sacm serve`: the server, until a signal ends it. */

import { resolve } from 'node:path'
import type { Command } from 'commander'
import { CertificateError } from '../../certs/errors.ts'
import { modules } from '../../modules/index.ts'
import { createLogger } from '../../server/log.ts'
import { ConfigRefused } from '../../server/module/api.ts'
import { type RunningServer, type ServerParts, startServer } from '../../server/server.ts'
import { JidError } from '../../server/stanza/jid.ts'
import { FolderLocked } from '../../server/storage/sqlite.ts'
import { StorageRefused } from '../../server/storage/storage.ts'
import { VERSION } from '../../server/version.ts'
import { tellAdminPassword } from './admin-password.ts'
import { programAssets } from './assets.ts'
import { CliError, EXIT } from './exit.ts'
import type { Outcome } from './main.ts'
import { readConfig, type SharedFlags, withSharedFlags } from './settings.ts'

interface ServeFlags extends SharedFlags {
  readonly host?: string
  readonly c2sPort?: string
  readonly tlsPort?: string
  readonly httpsPort?: string
  readonly profile?: string
}

/** After this long a second attempt at a clean end is given up. */
const CLOSE_TIMEOUT_MS = 30_000

export function serveCommand(serve: Command, outcome: Outcome): void {
  withSharedFlags(serve)
    .option('--host <address>', 'address to listen on')
    .option('--c2s-port <n>', 'STARTTLS port; 0 takes a free one')
    .option('--tls-port <n>', 'direct TLS port; 0 takes a free one')
    .option('--https-port <n>', 'HTTPS port with the WebSocket; 0 takes a free one')
    .option('--profile <list>', 'profiles in force')
    .addHelpText(
      'after',
      `
What is missing is made at the first start: CA, certificate (P-256), database, and admin@DOMAIN, whose password goes to
the data folder's file admin-password (mode 0600). SIGTERM and SIGINT end the server cleanly, SIGHUP re-reads certificates.

An administrator's client may end it too (XEP-0133): after "restart" the exit code is 4, for a supervisor to start it again
(systemd: RestartForceExitStatus=4).`,
    )
    .action(async (flags: ServeFlags) => {
      const config = readConfig(flags, {
        host: flags.host,
        'c2s.port': flags.c2sPort,
        'tls.port': flags.tlsPort,
        'https.port': flags.httpsPort,
        profile: flags.profile,
      })
      const log = createLogger(config['log.level'])
      const ended = Promise.withResolvers<number>()
      const server = await start(config, log, {
        onStop: (how) => {
          log.info({ what: 'server_stopping', how })
          ended.resolve(how === 'restart' ? EXIT.restart : EXIT.done)
        },
        onFailure: (error) => {
          log.error({ what: 'storage_failed', error: error.message })
          ended.resolve(EXIT.unreachable)
        },
      })
      if (server.adminPassword !== undefined) tellAdminPassword(server.domain, config['data.dir'], server.adminPassword)
      const onHangup = (): void => {
        server.reload().catch((error: unknown) => log.error({ what: 'reload_failed', error: String(error) }))
      }
      const onEnd = (signal: NodeJS.Signals): void => {
        log.info({ what: 'server_stopping', signal })
        ended.resolve(EXIT.done)
      }
      process.on('SIGHUP', onHangup)
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, onEnd)
      // The signals are caught already: whoever reads this line may send one at once.
      process.stdout.write(
        `${JSON.stringify({ ready: true, pid: process.pid, domain: server.domain, ...server.ports, version: VERSION })}\n`,
      )
      outcome.exitCode = await ended.promise
      process.off('SIGHUP', onHangup)
      // Whatever hangs must not keep a supervisor waiting; what was acknowledged is on disk already.
      const timer = setTimeout(() => {
        log.error({ what: 'close_timed_out', afterMs: CLOSE_TIMEOUT_MS })
        process.exit(EXIT.unreachable)
      }, CLOSE_TIMEOUT_MS)
      await server.close()
      clearTimeout(timer)
      log.info({ what: 'server_stopped' })
    })
}

async function start(
  config: ReturnType<typeof readConfig>,
  log: ReturnType<typeof createLogger>,
  events: Pick<ServerParts, 'onStop' | 'onFailure'>,
): Promise<RunningServer> {
  try {
    return await startServer({ config, modules, assets: programAssets(), log, ...events })
  } catch (error) {
    throw asCliError(error, config)
  }
}

/** What went wrong at start-up, in words, with the way out where we know one. */
function asCliError(error: unknown, config: ReturnType<typeof readConfig>): unknown {
  if (!(error instanceof Error)) return error
  if (error instanceof JidError) {
    return new CliError(
      EXIT.misuse,
      `the domain ${config.domain} is not valid: ${error.message}`,
      'Set it with --domain.',
      { cause: error },
    )
  }
  if (error instanceof CertificateError) return new CliError(EXIT.misuse, error.message, error.remedy, { cause: error })
  if (error instanceof ConfigRefused) return new CliError(EXIT.misuse, error.message, error.hint, { cause: error })
  const { code, port, address } = error as NodeJS.ErrnoException & { port?: number; address?: string }
  switch (code) {
    case 'EADDRINUSE':
      return new CliError(
        EXIT.unreachable,
        `port ${port} is in use`,
        'Choose others with --c2s-port, --tls-port and --https-port; 0 takes a free one.',
        { cause: error },
      )
    case 'EACCES':
      return new CliError(
        EXIT.unreachable,
        port === undefined ? `no permission: ${error.message}` : `no permission to listen on port ${port}`,
        port === undefined
          ? `Is ${resolve(config['data.dir'])} owned by this user?`
          : 'Ports below 1024 need CAP_NET_BIND_SERVICE, or choose others.',
        { cause: error },
      )
    case 'EROFS':
    case 'ENOSPC':
      return new CliError(
        EXIT.unreachable,
        `the data folder ${resolve(config['data.dir'])} cannot be written: ${error.message}`,
        code === 'EROFS' ? 'Mount its file system for writing.' : 'Free some space on its disk.',
        { cause: error },
      )
    case 'EAFNOSUPPORT':
    case 'EADDRNOTAVAIL':
      return new CliError(EXIT.unreachable, `this machine has no address ${address}`, 'Set another with --host.', {
        cause: error,
      })
    default:
      return error instanceof FolderLocked || error instanceof StorageRefused
        ? new CliError(EXIT.unreachable, error.message, undefined, { cause: error })
        : error
  }
}

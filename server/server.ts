/** The composition root: builds every part in order from the configuration and the module list; closes in reverse. */

import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { administration, ensureAdmin, inBandAdministration } from './administration.ts'
import { type Accounts, openAccounts } from './auth/accounts.ts'
import { AnonymousAccounts } from './auth/anonymous.ts'
import { openComponents } from './auth/components.ts'
import { LoginThrottle } from './auth/throttle.ts'
import { TokenBook } from './auth/tokens.ts'
import { Backups } from './backups.ts'
import { certificateDir, openCertificates, readTls } from './certificates.ts'
import type { Config } from './config.ts'
import { controlPath, listenControl } from './control.ts'
import { createHttps, type HttpsServer, WEBSOCKET_PATH } from './http/https.ts'
import { ensureMetricsToken, METRICS_PATH, metricsHandler, metricsTokenFile } from './http/metrics.ts'
import { clientLimits, clientTimeouts, componentLimits, LOOPBACK, streamLimits } from './limits.ts'
import type { Logger } from './log.ts'
import { MetricTable } from './metrics.ts'
import { type AccountView, type Module, PRESENCE_AUTHORITY, type SessionHandle } from './module/api.ts'
import { ModuleHost } from './module/host.ts'
import { HookTable } from './route/hooks.ts'
import { PresenceRouter } from './route/presence.ts'
import { Router } from './route/router.ts'
import { type C2s, createC2s } from './session/c2s.ts'
import { Components } from './session/components.ts'
import { Tracing } from './session/trace.ts'
import { StreamError } from './stanza/errors.ts'
import { parseJid } from './stanza/jid.ts'
import type { Assets } from './storage/assets.ts'
import { openStorage } from './storage/client.ts'
import { DATABASE_NAME } from './storage/sqlite.ts'
import { VERSION } from './version.ts'

export interface ServerParts {
  readonly config: Config
  readonly modules: readonly Module[]
  readonly assets: Assets
  readonly log: Logger
  /** An administrator wants the program to end, or to be started again. Its caller should close it and end. */
  readonly onStop: (how: 'shutdown' | 'restart') => void
  /** The server cannot go on: storage has died. Its caller should close it and end. */
  readonly onFailure: (error: Error) => void
}

export interface RunningServer {
  readonly domain: string
  readonly ports: {
    readonly c2s: number
    readonly tls: number
    readonly https: number
    /** Left out when external components are off. */
    readonly component?: number
    /** Left out when there is no port without TLS. */
    readonly plaintext?: number
  }
  /** The first administrator's password, when it was made by this start. */
  readonly adminPassword: string | undefined
  /** Re-reads certificates; sessions go on with the old ones. */
  reload(): Promise<void>
  /** Tells every client, lets what is under way finish, and closes everything. Idempotent. */
  close(): Promise<void>
}

const PLAINTEXT_WARNING =
  'passwords and all that is said on this port can be read by every program on this machine that may look; for labs only'
const RENEWAL_CHECK_MS = 24 * 60 * 60 * 1000

/** Files in the data folder. */
export const databaseFile = (dataDir: string): string => join(dataDir, DATABASE_NAME)

/** @throws FolderLocked, JidError for the domain, errors of the listeners; what was opened before is closed again */
export async function startServer({
  config,
  modules,
  assets,
  log,
  onStop,
  onFailure,
}: ServerParts): Promise<RunningServer> {
  const closers: (() => Promise<void> | void)[] = []
  const closeAll = async (): Promise<void> => {
    for (const close of closers.splice(0).reverse()) await close()
  }
  try {
    const dataDir = config['data.dir']
    const domain = parseJid(config.domain).domain
    const clock = { now: () => Date.now() }

    const storage = await openStorage({
      file: databaseFile(dataDir),
      assets,
      log,
      maxQueue: config['limits.storageQueue'],
      scans: {
        maxRows: config['limits.scanRows'],
        maxMs: config['limits.scanSeconds'] * 1000,
        maxQueue: config['limits.scanQueue'],
      },
      checkMs: config['timeouts.checkSeconds'] * 1000,
      onFailure,
    })
    closers.push(() => storage.close())
    // On a core of its own the writer's thread comes up beside all that follows; on the only one it would be in the way.
    if (availableParallelism() > 1) storage.startWriter()
    const accounts = await openAccounts(storage, {
      domain,
      scramIterations: config['scram.iterations'],
      data: modules.flatMap(({ accountData }) => accountData ?? []),
    })
    const secrets = await openComponents(storage, (name) => name === domain || router.isLocalDomain(name))
    const adminPassword = await ensureAdmin(accounts, dataDir)
    const anonymous = new AnonymousAccounts(accounts, domain, log.child('anonymous'))
    await anonymous.sweep()
    const certificates = openCertificates(config, domain, log)
    const tls = readTls(dataDir, domain, certificates, log)
    const https = createHttps({
      tls,
      domain,
      publicUrl: config['https.publicUrl'],
      hstsSeconds: config['https.hstsSeconds'],
      maxConnections: config['limits.connections'],
      log: log.child('http'),
    })
    closers.push(() => https.close())
    const metrics = new MetricTable()
    if (config['metrics.enabled']) serveMetrics(https, metrics, dataDir)
    const received = metrics.counter('sacm_stanzas_received_total', 'Stanzas that clients sent.')

    // Sessions hand stanzas up to the router, which is made after them: the road is connected before anyone listens.
    let router: Router
    let host: ModuleHost
    const hooks = new HookTable(log.child('hooks'))
    const tracing = new Tracing(config['log.stanzas'], log.child('stanzas'))
    const loginLimits = streamLimits(config['limits.preAuthStanzaBytes'], 0)
    const boundLimits = streamLimits(config['limits.stanzaBytes'], config['timeouts.idleSeconds'])
    const c2s: C2s = createC2s({
      domain,
      isLocalDomain: (name) => name === domain,
      accounts,
      certificates,
      anonymous,
      tokens:
        config['login.tokenHours'] === 0
          ? undefined
          : new TokenBook(storage, {
              keyFile: join(dataDir, 'tokens.key'),
              lifetimeMs: config['login.tokenHours'] * 60 * 60 * 1000,
            }),
      throttle: new LoginThrottle({
        freeFailures: config['login.freeFailures'],
        freeFailuresPerAddress: config['login.freeFailuresPerAddress'],
        slowestMs: config['login.slowestSeconds'] * 1000,
        forgiveMs: config['login.forgiveSeconds'] * 1000,
        maxTracked: config['login.tracked'],
      }),
      tls,
      listeners: {
        c2s: {
          host: config.host,
          port: config['c2s.port'],
          mechanisms: config['c2s.mechanisms'],
          seeOther: config['c2s.seeOtherHost'] || undefined,
        },
        tls: {
          host: config.host,
          port: config['tls.port'],
          mechanisms: config['tls.mechanisms'],
          seeOther: config['c2s.seeOtherHost'] || undefined,
        },
        ...(config['plaintext.port'] >= 0 && {
          plaintext: {
            host: LOOPBACK.test(config.host) ? config.host : '127.0.0.1',
            port: config['plaintext.port'],
            mechanisms: config['c2s.mechanisms'],
          },
        }),
        websocket: {
          server: https.upgrades,
          path: WEBSOCKET_PATH,
          mechanisms: config['https.mechanisms'],
          seeOther: config['https.seeOtherUri'] || undefined,
        },
      },
      limits: clientLimits(config),
      timeouts: clientTimeouts(config),
      extraFeatures: (stage) => [stage === 'bind' ? boundLimits : loginLimits, ...host.streamFeatures(stage)],
      loginIq: (payload) => host.loginIq(payload),
      onBound: (session) => {
        const leaving = accounts.leaving(session.bareJid)
        if (leaving) session.hold(leaving)
        hooks.emit('session.bound', { session })
      },
      onStanza: (session, stanza) => {
        received.add()
        return router.receive(session, stanza)
      },
      settled: (session) => router.settled(session),
      onUndelivered: (gone, stanzas) => router.undelivered(gone, stanzas),
      onClosed: (session) => {
        presence.ended(session)
        hooks.emit('session.closed', { session })
        anonymous.sessionEnded(session.bareJid)
        if (c2s.registry.of(session.bareJid).length === 0) certificates.forget(session.bareJid)
      },
      traceOf: (address) => tracing.of(address),
      log: log.child('c2s'),
    })
    const sessions = c2s.registry
    metrics.gauge('sacm_sessions', 'Sessions bound now, those that may be resumed too.', () => sessions.size)
    metrics.counterOf('sacm_storage_writes_total', 'Writes handed to storage.', () => storage.submitted)
    const presence = new PresenceRouter({ domain, sessions, hooks, exists: (bareJid) => accounts.exists(bareJid) })
    const accountView = viewOf(accounts, presence)
    const components = new Components({
      domain,
      secretOf: (name) => secrets.secretOf(name),
      isOwnDomain: (name) => router.isLocalDomain(name),
      onStanza: (component, from, stanza) => router.receiveForeign(component, from, stanza),
      onEnded: (component) => router.foreignEnded(component),
      limits: componentLimits(config),
      timeouts: clientTimeouts(config),
      traceOf: (address) => tracing.of(address),
      log: log.child('component'),
    })
    router = new Router({
      domain,
      sessions,
      accounts: accountView,
      storage,
      presence,
      foreign: components,
      hooks,
      log: log.child('route'),
    })
    presence.connect((from, stanza) => router.relayPresence(from, stanza))
    closers.push(() => router.close())

    const endSessions = (bareJid: string, except?: SessionHandle): void => {
      for (const session of sessions.of(bareJid)) {
        if (session !== except) sessions.close(session, new StreamError('reset', 'the account was changed'))
      }
    }
    host = new ModuleHost({
      domain,
      host: config.host,
      dataDir,
      version: VERSION,
      router,
      hooks,
      presence,
      storage,
      accounts: accountView,
      administration: inBandAdministration({ domain, accounts, endSessions, stop: onStop }),
      sessions,
      http: https.routes,
      metrics,
      isLoopback: LOOPBACK.test(config.host),
      profiles: new Set(config.profile),
      clock,
      log: log.child('module'),
      config: config.modules,
    })
    host.load(modules)
    const authority = host.provided(PRESENCE_AUTHORITY)
    if (authority) presence.useAuthority(authority)
    closers.push(() => host.close())
    closers.push(
      accounts.onChange((change) => {
        switch (change.kind) {
          case 'leaving':
            for (const session of sessions.of(change.bareJid)) session.hold(change.isGone)
            return
          case 'removed': {
            const { bareJid, forgotten, notes } = change
            if (notes.length > 0) log.warn({ what: 'account_removed', account: bareJid, notes })
            hooks.emit('account.removed', { bareJid, forgotten })
            return
          }
          default:
            hooks.emit('account.changed', { bareJid: change.bareJid })
        }
      }),
    )
    await host.start()

    const rereadCertificates = async (): Promise<void> => {
      certificates.reload()
      for (const warning of certificates.warnings) log.warn({ what: 'certificate_warning', warning })
      for (const bareJid of certificates.revokedAccounts()) {
        log.info({ what: 'certificate_revoked', account: bareJid })
        // A token that came with the certificate would outlive it.
        await accounts.endTokens(parseJid(bareJid).local)
        endSessions(bareJid)
      }
    }
    closers.push(every(config['tls.clientCrlSeconds'] * 1000, 'revocation_not_read', rereadCertificates, log))
    const reload = async (): Promise<void> => {
      await rereadCertificates()
      const next = readTls(dataDir, domain, certificates, log)
      c2s.reload(next)
      https.reload(next)
      log.info({ what: 'certificates_reloaded' })
    }
    // A certificate of our own authority is renewed when it is due, however long the server runs.
    closers.push(every(RENEWAL_CHECK_MS, 'certificate_renewal_failed', reload, log))
    const administer = administration({
      domain,
      accounts,
      components: secrets,
      connections: components,
      sessionsOf: (bareJid) => sessions.of(bareJid).length,
      endSessions,
      certificateDir: certificateDir(dataDir),
      onRevoked: rereadCertificates,
      backups: new Backups(storage, { domain, version: VERSION }, log.child('backup')),
      reload,
    })

    let control: Awaited<ReturnType<typeof listenControl>> | undefined
    closers.push(() => control?.close())
    // First, as it needs the least of Node: what HTTP needs is loaded while the first clients come.
    const listening = await c2s.listen()
    closers.push(() => c2s.close(new StreamError('system-shutdown', 'the server is shutting down')))
    control = await listenControl(dataDir, administer, log.child('control'))
    const httpsPort = await https.listen(config.host, config['https.port'])
    const component = await listenForComponents(components, config, log)
    closers.push(() => components.close(new StreamError('system-shutdown', 'the server is shutting down')))
    storage.startWriter()
    const { plaintext } = listening
    if (plaintext !== undefined) log.warn({ what: 'PLAINTEXT_PORT_OPEN', port: plaintext, text: PLAINTEXT_WARNING })
    const ports = {
      ...(plaintext !== undefined && { plaintext }),
      c2s: listening.c2s ?? 0,
      tls: listening.tls ?? 0,
      https: httpsPort,
      ...(component !== undefined && { component }),
    }
    log.info({ what: 'server_ready', domain, ...ports, control: controlPath(dataDir), version: VERSION })
    return { domain, ports, adminPassword, reload, close: closeAll }
  } catch (error) {
    await closeAll()
    throw error
  }
}

function serveMetrics(https: HttpsServer, metrics: MetricTable, dataDir: string): void {
  const tokenFile = metricsTokenFile(dataDir)
  ensureMetricsToken(tokenFile)
  const options = { auth: 'anyone', maxBytes: 0, cors: false } as const
  https.routes.route(
    'GET',
    METRICS_PATH,
    options,
    metricsHandler(tokenFile, () => metrics.exposition()),
  )
}

/** Runs a task again and again; what it throws is logged. @returns what ends it */
function every(intervalMs: number, what: string, task: () => Promise<void>, log: Logger): () => void {
  const timer = setInterval(() => {
    task().catch((error: unknown) => log.error({ what, error: String(error) }))
  }, intervalMs)
  timer.unref()
  return () => clearInterval(timer)
}

/** @returns the port; undefined when external components are off */
async function listenForComponents(components: Components, config: Config, log: Logger): Promise<number | undefined> {
  const { 'component.port': port, 'component.host': host } = config
  if (port === 'off') return undefined
  const listening = await components.listen(host, port)
  if (!LOOPBACK.test(host)) log.warn({ what: 'component_port_unencrypted', host, port: listening })
  return listening
}

/** What modules see of the accounts. */
function viewOf(accounts: Accounts, presence: PresenceRouter): AccountView {
  return {
    exists: (bareJid) => accounts.exists(bareJid),
    bareJids: () => accounts.bareJids(),
    roles: (bareJid) => accounts.roles(bareJid),
    grants: (bareJid) => accounts.grants(bareJid),
    bindSelf: (bareJid, endpointId) => accounts.bindSelf(bareJid, endpointId),
    maySeePresence: (of, by) => presence.maySee(of, by),
  }
}

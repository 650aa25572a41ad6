/** Loads modules in their order, gives each the context it may touch, and undoes what they registered. */

import { join } from 'node:path'
import type { HttpRoutes } from '../http/routes.ts'
import type { Logger } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { describeError, type HookTable } from '../route/hooks.ts'
import type { PresenceRouter } from '../route/presence.ts'
import type { Router } from '../route/router.ts'
import type { Storage } from '../storage/storage.ts'
import type { Element, QName } from '../xml/element.ts'
import {
  type AccountView,
  ADMINISTRATION,
  type Administration,
  type Clock,
  ENDPOINTS,
  type LoginIqHandler,
  type Module,
  type ModuleContext,
  type SessionView,
  type SpecRef,
  type StreamFeature,
  type Token,
} from './api.ts'

export interface HostParts {
  readonly domain: string
  readonly host: string
  readonly dataDir: string
  readonly version: string
  readonly router: Router
  readonly hooks: HookTable
  readonly presence: PresenceRouter
  readonly storage: Storage
  readonly accounts: AccountView
  readonly administration: Administration
  readonly sessions: SessionView
  readonly http: HttpRoutes
  readonly metrics: Metrics
  readonly isLoopback: boolean
  readonly profiles: ReadonlySet<string>
  readonly clock: Clock
  readonly log: Logger
  /** Each module's options, parsed by its own schema, by module name. */
  readonly config: Readonly<Record<string, unknown>>
}

/** A list of modules that cannot be loaded together. */
class ModuleError extends Error {
  override readonly name = 'ModuleError'
}

export class ModuleHost {
  readonly #parts: HostParts
  readonly #closing = new AbortController()
  readonly #provided = new Map<string, unknown>()
  readonly #starting: { readonly module: string; readonly task: () => Promise<void> }[] = []
  readonly #intervals: {
    readonly module: string
    readonly intervalMs: number
    readonly task: (signal: AbortSignal) => Promise<void>
  }[] = []
  readonly #timers: NodeJS.Timeout[] = []
  readonly #features: StreamFeature[] = []
  readonly #loaded: Module[] = []

  constructor(parts: HostParts) {
    this.#parts = parts
    this.#provided.set(ADMINISTRATION.name, parts.administration)
    this.#provided.set(ENDPOINTS.name, {
      each: (fn: Parameters<Router['eachEndpoint']>[0]) => parts.router.eachEndpoint(fn),
      connected: () => parts.router.connected,
      get: (at: Parameters<Router['endpoint']>[0]) => parts.router.endpoint(at),
    })
  }

  /** Sets the modules up, in the order given. @throws ModuleError when one is missing what it requires */
  load(modules: readonly Module[]): void {
    for (const module of modules) {
      const missing = module.requires?.find((name) => !this.#loaded.some((loaded) => loaded.name === name))
      if (missing) throw new ModuleError(`module ${module.name} requires ${missing}, which is not listed before it`)
      if (this.#loaded.some((loaded) => loaded.name === module.name))
        throw new ModuleError(`module ${module.name} is listed twice`)
      module.setup(this.#contextFor(module))
      this.#loaded.push(module)
    }
  }

  /** Runs what modules must load first, in module order, then starts their timers. */
  async start(): Promise<void> {
    for (const { module, task } of this.#starting) {
      try {
        await task()
      } catch (error) {
        throw new Error(`module ${module} could not start: ${error instanceof Error ? error.message : String(error)}`, {
          cause: error,
        })
      }
    }
    for (const { module, intervalMs, task } of this.#intervals)
      this.#timers.push(this.#repeat(module, intervalMs, task))
  }

  /** What modules add to `<stream:features/>` in this state. */
  streamFeatures(state: 'tls' | 'login' | 'bind'): Element[] {
    if (state === 'tls') return [] // RFC 6120 §5.3.1: nothing but STARTTLS
    return this.#features.map((feature) => feature.advertise(state)).filter((element) => element !== undefined)
  }

  /** Who answers this IQ of a client that has not logged in. */
  loginIq(payload: QName): LoginIqHandler | undefined {
    return this.#features.find(({ loginIq }) => loginIq?.payload === payload)?.loginIq?.handler
  }

  /** What a module provided under this token. */
  provided<T>(token: Token<T>): T | undefined {
    // As in #use.
    return this.#provided.get(token.name) as T | undefined
  }

  get specs(): readonly SpecRef[] {
    return this.#loaded.flatMap((module) => module.specs)
  }

  close(): void {
    this.#closing.abort()
    for (const timer of this.#timers) clearInterval(timer)
  }

  #repeat(module: string, intervalMs: number, task: (signal: AbortSignal) => Promise<void>): NodeJS.Timeout {
    let isRunning = false
    const timer = setInterval(() => {
      if (isRunning) return
      isRunning = true
      task(this.#closing.signal)
        .catch((error: unknown) => this.#parts.log.error({ what: 'timer_failed', module, error: describeError(error) }))
        .finally(() => {
          isRunning = false
        })
    }, intervalMs)
    timer.unref()
    return timer
  }

  #contextFor(module: Module): ModuleContext {
    const {
      router,
      hooks,
      administration: _administration,
      presence: _presence,
      config,
      log,
      dataDir,
      ...shared
    } = this.#parts
    return {
      ...shared,
      log: log.child(module.name),
      folder: join(dataDir, module.name),
      closing: this.#closing.signal,
      config: () => config[module.name],
      endpoint: (at) => router.endpoint(at),
      streamFeature: (feature) => this.#features.push(feature),
      showPresence: (maySee) => this.#parts.presence.alsoShow(maySee),
      on: (phase, hook, fn) => hooks.on(phase, hook, fn),
      emit: (hook, event) => hooks.emit(hook, event),
      provide: (token, value) => {
        if (this.#provided.has(token.name))
          throw new ModuleError(`${module.name} provides ${token.name}, which is provided already`)
        this.#provided.set(token.name, value)
      },
      use: (token) => this.#use(module, token),
      starting: (task) => this.#starting.push({ module: module.name, task }),
      every: (intervalMs, task) => this.#intervals.push({ module: module.name, intervalMs, task }),
    }
  }

  #use<T>(module: Module, token: Token<T>): T {
    if (!this.#provided.has(token.name))
      throw new ModuleError(
        `module ${module.name} uses ${token.name}, which nobody provides; is its provider in requires?`,
      )
    // A token's name stands for one type: provide() took the value under the same Token<T>.
    return this.#provided.get(token.name) as T
  }
}

/** Hooks that modules hang on the road: guards may refuse, amenders may change, observers only look. */

import type { Logger } from '../log.ts'
import type { HookFn, HookPhase, Hooks } from '../module/api.ts'

type AnyHook = HookFn<Hooks[keyof Hooks]>

/** Runs hooks by phase, and within a phase in the order of registration, which is module order. */
export class HookTable {
  readonly #hooks = new Map<keyof Hooks, Record<HookPhase, AnyHook[]>>()
  readonly #log: Logger

  constructor(log: Logger) {
    this.#log = log
  }

  on<K extends keyof Hooks>(phase: HookPhase, hook: K, fn: HookFn<Hooks[K]>): void {
    let phases = this.#hooks.get(hook)
    if (!phases) {
      phases = { guard: [], amend: [], observe: [] }
      this.#hooks.set(hook, phases)
    }
    // The list under key K only ever holds and receives functions for Hooks[K].
    phases[phase].push(fn as AnyHook)
  }

  /**
   * @returns the event, as the amenders left it
   * @throws whatever a guard throws; a failing observer is logged and stops nobody
   */
  emit<K extends keyof Hooks>(hook: K, event: Hooks[K]): Hooks[K] {
    const phases = this.#hooks.get(hook)
    if (!phases) return event
    for (const fn of phases.guard) void fn(event)
    for (const fn of phases.amend) void fn(event)
    for (const fn of phases.observe) this.#observe(hook, fn, event)
    return event
  }

  #observe(hook: string, fn: AnyHook, event: Hooks[keyof Hooks]): void {
    const failed = (error: unknown) => this.#log.error({ what: 'hook_failed', hook, error: describeError(error) })
    try {
      const pending = fn(event)
      if (pending) pending.catch(failed)
    } catch (error) {
      failed(error)
    }
  }
}

/** An error's stack or text, for the log alone. */
export function describeError(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

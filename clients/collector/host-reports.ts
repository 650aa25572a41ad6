/** Carries out orders to collect: runs the probes asked for, reports each to where the order says. SACM-XMPP §2, §3. */

import {
  type EndpointIdentifier,
  type PostureAttribute,
  type PostureReport,
  renderReport,
} from '../../modules/repository/xml.ts'
import type { Collect } from '../../modules/sacm/xml.ts'
import type { Element } from '../../server/xml/element.ts'
import type { Component } from '../core/component.ts'
import { describeError } from '../core/describe-error.ts'
import type { JobControl, JobResult } from '../core/jobs.ts'
import { deterministicId, splitReport } from '../core/report.ts'
import { sendFindings, type WorkOrder } from '../core/worker.ts'
import { type ProbeReport, runProbe } from './collect.ts'
import { type Selection, selectProbes, uncovered } from './coverage.ts'
import { parseOrder, TOPIC_POSTURE } from './order.ts'
import type { Probe } from './probe.ts'

export interface HostReportsOptions {
  readonly probes: readonly Probe[]
  readonly identifiers: readonly EndpointIdentifier[]
  readonly root: string | undefined
  readonly probeTimeoutMs: number | undefined
  readonly onReport: ((report: ProbeReport, job: string) => void) | undefined
}

/** What was reported of a probe last. */
interface Remembered {
  /** Of the last whole report; undefined before one. */
  readonly collected: number | undefined
  readonly names: readonly string[]
  /** Areas that were reported as unread, by their names. */
  readonly unread: readonly string[]
}

/** One order on its way. */
interface Work {
  readonly collect: Collect
  readonly requester: string
  readonly component: Component
  readonly signal: AbortSignal
}

export class HostReports {
  readonly #options: HostReportsOptions
  readonly #last = new Map<string, Remembered>()

  constructor(options: HostReportsOptions) {
    this.#options = options
  }

  /** @throws StanzaError when the order is not acceptable */
  order(payload: Element, requester: string): WorkOrder {
    const collect = parseOrder(payload, requester)
    return {
      id: collect.id,
      expires: collect.expires,
      run: (control, component) => this.#run({ collect, requester, component, signal: control.signal }, control),
    }
  }

  async #run(work: Work, control: JobControl): Promise<JobResult> {
    const { attributes, maxAgeSeconds } = work.collect
    const errors = uncovered(this.#options.probes, attributes).map((pattern) => `no probe reports ${pattern}`)
    const selections = selectProbes(this.#options.probes, attributes)
    let succeeded = 0
    control.progress(0, selections.length)
    for (const [index, selection] of selections.entries()) {
      const isFresh = maxAgeSeconds !== undefined && this.#isFresh(selection.probe, maxAgeSeconds)
      const error = isFresh ? undefined : await this.#report(selection, work)
      if (error === undefined) succeeded++
      else errors.push(`${selection.probe.name}: ${error}`)
      control.progress(index + 1, selections.length)
    }
    if (errors.length === 0) return { outcome: 'success', errors }
    return { outcome: succeeded > 0 ? 'partial' : 'failed', errors }
  }

  /** @returns why the probe or its delivery failed @throws the signal's reason */
  async #report(selection: Selection, work: Work): Promise<string | undefined> {
    const { probes, identifiers, root, probeTimeoutMs, onReport } = this.#options
    const { collect, signal } = work
    const found = await runProbe(selection, {
      probes,
      signal,
      attributes: collect.attributes,
      known: (probe) => this.#last.get(probe)?.names ?? [],
      ...(probeTimeoutMs === undefined ? {} : { probeTimeoutMs }),
      ...(root === undefined ? {} : { root }),
    })
    const { collected, scope, covers } = found
    const attributes = [...found.attributes, ...this.#readAgain(found)]
    if (attributes.length > 0) {
      try {
        await deliver(
          { collected, method: 'self', scope, job: collect.id, identifiers, covers, attributes },
          found,
          work,
        )
      } catch (error) {
        signal.throwIfAborted()
        return `not stored: ${describeError(error)}`
      }
    }
    this.#remember(selection.probe, found)
    onReport?.(found, collect.id)
    return found.error
  }

  /** Areas that were said to be unread and now were read: the old word would stand for ever. */
  #readAgain({ probe, covers }: ProbeReport): PostureAttribute[] {
    const areas = new Set(covers.map(areaOf))
    const again = (this.#last.get(probe)?.unread ?? []).filter((name) => areas.has(name))
    return again.map((name) => ({ name, value: undefined, type: 'string', status: 'does-not-exist' }))
  }

  #remember(probe: Probe, { scope, collected, covers, attributes, error }: ProbeReport): void {
    const before = this.#last.get(probe.name)
    const read = new Set(covers.map(areaOf))
    const areas = new Set(probe.covers.map(areaOf))
    const failed = attributes
      .filter(({ name, status }) => areas.has(name) && status !== 'exists')
      .map(({ name }) => name)
    const unread = [...new Set([...(before?.unread ?? []).filter((name) => !read.has(name)), ...failed])]
    if (scope === 'full') this.#last.set(probe.name, { collected, names: attributes.map(({ name }) => name), unread })
    else
      this.#last.set(probe.name, {
        collected: error ? undefined : before?.collected,
        names: before?.names ?? [],
        unread,
      })
  }

  /** Only whole reports count, and these hold any part. */
  #isFresh(probe: Probe, maxAgeSeconds: number): boolean {
    const collected = this.#last.get(probe.name)?.collected
    return collected !== undefined && collected >= Date.now() - maxAgeSeconds * 1000
  }
}

/** `mount` for `mount.`. */
function areaOf(prefix: string): string {
  return prefix.replace(/\.$/, '')
}

/** Sends a report, whole or in parts; the ids are the work's, so that sending again changes nothing. */
async function deliver(report: PostureReport, { probe }: ProbeReport, work: Work): Promise<void> {
  const { collect, component, requester, signal } = work
  const to = collect.responseTopic ?? TOPIC_POSTURE
  const set = deterministicId(component.id, requester, collect.id, probe)
  for (const part of splitReport(report, { maxStanzaBytes: component.client.maxStanzaBytes, set })) {
    const id = part.part ? `${set}.${part.part.number}` : set
    const render = () => renderReport(part)
    await sendFindings(component, { to, isPublished: to === TOPIC_POSTURE, id, render }, signal)
  }
}

/** Runs probes on this host, each within a time limit; one that fails is reported as such, and the others go on. */

import { pick, type Selection, selectProbes } from './coverage.ts'
import type { PostureAttribute, Probe } from './probe.ts'
import { coveredPrefixes } from './probes/covered.ts'

/** What one probe found. */
export interface ProbeReport {
  readonly probe: string
  /** Empty when the report is partial. */
  readonly covers: readonly string[]
  readonly scope: 'full' | 'partial'
  /** UTC milliseconds when the probe began. */
  readonly collected: number
  readonly durationMs: number
  readonly attributes: readonly PostureAttribute[]
  /** Why the probe as a whole failed; its attributes then say `error`. */
  readonly error?: string
}

export interface CollectOptions {
  readonly probes: readonly Probe[]
  readonly signal: AbortSignal
  /** Attribute name patterns, `*` anywhere; none: everything. */
  readonly attributes?: readonly string[]
  /** Root of the host's file system. */
  readonly root?: string
  readonly probeTimeoutMs?: number
  readonly now?: () => number
  /** Names that a probe reported before: if it fails now, these are what could not be read. */
  readonly known?: (probe: string) => readonly string[]
  readonly onReport?: (report: ProbeReport, done: number, total: number) => void
}

const PROBE_TIMEOUT_MS = 60_000

/** Collects once and returns what was seen, with no server. @throws the signal's reason */
export async function collectOnce(options: CollectOptions): Promise<readonly ProbeReport[]> {
  const reports: ProbeReport[] = []
  const selections = selectProbes(options.probes, options.attributes ?? [])
  for (const selection of selections) {
    const report = await runProbe(selection, options)
    reports.push(report)
    options.onReport?.(report, reports.length, selections.length)
  }
  return reports
}

/** Runs one probe. @throws the signal's reason; never what the probe throws */
export async function runProbe({ probe, isWhole }: Selection, options: CollectOptions): Promise<ProbeReport> {
  const { signal, attributes: patterns = [], probeTimeoutMs = PROBE_TIMEOUT_MS, now = Date.now } = options
  signal.throwIfAborted()
  const collected = now()
  const from = performance.now()
  const timeout = AbortSignal.timeout(probeTimeoutMs)
  const done = (rest: Pick<ProbeReport, 'covers' | 'scope' | 'attributes'> & { error?: string }): ProbeReport => ({
    probe: probe.name,
    collected,
    durationMs: Math.round(performance.now() - from),
    ...rest,
  })
  try {
    const context = { now: collected, signal: AbortSignal.any([signal, timeout]), root: options.root ?? '/' }
    // Raced as well, for a probe that does not heed its signal.
    const found = await Promise.race([probe.collect(context), rejection(context.signal)])
    if (!isWhole) return done({ covers: [], scope: 'partial', attributes: pick(probe, patterns, found) })
    const covers = coveredPrefixes(probe, found)
    return done({ covers, scope: covers.length > 0 ? 'full' : 'partial', attributes: found })
  } catch (cause) {
    signal.throwIfAborted()
    const why = cause instanceof Error ? cause.message : String(cause)
    const error = timeout.aborted ? `the probe took longer than ${probeTimeoutMs / 1000} s` : why || 'unknown failure'
    // Partial, since a full report would say that all that is known there is gone.
    return done({ covers: [], scope: 'partial', attributes: unread(probe, error, options), error })
  }
}

/** The areas that could not be read, each by its prefix's name, and every name known in them. */
function unread(
  probe: Probe,
  reason: string,
  { known, attributes: patterns = [] }: CollectOptions,
): PostureAttribute[] {
  const areas = probe.covers.map((prefix) => prefix.replace(/\.$/, ''))
  const names = known?.(probe.name) ?? []
  const asked = patterns.filter((name) => !name.includes('*') && probe.covers.some((prefix) => name.startsWith(prefix)))
  return [...new Set([...areas, ...names, ...asked])].map((name) => ({
    name,
    value: undefined,
    type: 'string',
    status: 'error',
    reason: reason.slice(0, 1_000),
  }))
}

function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const abort = () => reject(signal.reason)
    if (signal.aborted) abort()
    else signal.addEventListener('abort', abort, { once: true })
  })
}

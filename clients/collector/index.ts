/** The collector: reads this host's posture when asked, and reports it to the repository. SACM-XMPP §2, §3; ARCH §Collector. */

import type { EndpointIdentifier } from '../../modules/repository/xml.ts'
import { startWorker, type Worker, type WorkerOptions } from '../core/worker.ts'
import type { ProbeReport } from './collect.ts'
import { HostReports } from './host-reports.ts'
import { identify } from './identity.ts'
import type { Probe } from './probe.ts'
import { allProbes } from './probes/all.ts'

export const CAPABILITY_SYSTEM = 'urn:sacm-xmpp:capability:collection:system'
const IDENTIFY_TIMEOUT_MS = 30_000

export interface CollectorOptions extends WorkerOptions {
  /** Default: all of the `system` capability. */
  readonly probes?: readonly Probe[] | undefined
  readonly probeTimeoutMs?: number | undefined
  /** Default: read from the host. */
  readonly identifiers?: readonly EndpointIdentifier[] | undefined
  /** Root of the host's file system. */
  readonly root?: string | undefined
  /** Told what each probe found, once it is stored. */
  readonly onReport?: ((report: ProbeReport, job: string) => void) | undefined
}

export interface Collector extends Worker {
  readonly identifiers: readonly EndpointIdentifier[]
}

/**
 * Connects and takes orders; resolves when the login has succeeded, see `ready` for the onboarding.
 * @throws SaslError, a certificate or network error; Error when the host cannot be identified
 */
export async function startCollector(options: CollectorOptions): Promise<Collector> {
  const { root, probeTimeoutMs, onReport } = options
  const identifiers = options.identifiers ?? (await identify(AbortSignal.timeout(IDENTIFY_TIMEOUT_MS), root))
  const host = new HostReports({ probes: options.probes ?? allProbes, identifiers, root, probeTimeoutMs, onReport })
  const worker = await startWorker(options, {
    type: 'posture-collection-service',
    name: 'sacm collector',
    description: 'posture of the host it runs on',
    capabilities: [{ urn: CAPABILITY_SYSTEM, kind: 'collection', endpoints: [] }],
    work: 'collect',
    order: (payload, requester) => host.order(payload, requester),
  })
  return { ...worker, identifiers }
}

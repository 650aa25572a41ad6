/** Where to connect for a domain: what the user says, else SRV records, else the domain itself. RFC 6120 §3.2, XEP-0368. */

import { resolveSrv } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { ClientOptions } from './options.ts'

export interface HostPort {
  readonly host: string
  readonly port: number
}

const DEFAULT_PORT = { starttls: 5222, tls: 5223 } as const
const SERVICE = { starttls: '_xmpp-client._tcp', tls: '_xmpps-client._tcp' } as const
const SRV_TIMEOUT_MS = 3_000
const MAX_TARGETS = 8

/** The places to try, in order; never empty. */
export async function resolveAddress(domain: string, options: ClientOptions): Promise<readonly HostPort[]> {
  const security = options.security ?? 'starttls'
  const port = options.port ?? DEFAULT_PORT[security]
  if (options.host !== undefined) return [{ host: options.host, port }]
  const targets = options.port === undefined && hasSrv(domain) ? await lookup(`${SERVICE[security]}.${domain}`) : []
  return targets.length > 0 ? targets : [{ host: domain, port }]
}

/** Names of one label and addresses have no SRV records. */
function hasSrv(domain: string): boolean {
  return isIP(domain) === 0 && domain.includes('.')
}

/** Targets by priority, the heavier first; none when there is no answer in time. RFC 2782. */
async function lookup(name: string): Promise<readonly HostPort[]> {
  let timer: NodeJS.Timeout | undefined
  try {
    const timeout = new Promise<never[]>((resolve) => {
      timer = setTimeout(() => resolve([]), SRV_TIMEOUT_MS)
    })
    const records = await Promise.race([resolveSrv(name).catch(() => []), timeout])
    return records
      .filter((record) => record.name !== '' && record.name !== '.')
      .sort((a, b) => a.priority - b.priority || b.weight - a.weight)
      .slice(0, MAX_TARGETS)
      .map((record) => ({ host: record.name, port: record.port }))
  } finally {
    clearTimeout(timer)
  }
}

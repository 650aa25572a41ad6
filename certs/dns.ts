/** The DNS records by which clients find the server. RFC 6120 §3.2.1, XEP-0368. */

import { asciiDomain } from './certificate.ts'

export interface PublicPorts {
  /** STARTTLS. */
  readonly c2s?: number
  /** Direct TLS. */
  readonly tls?: number
}

/**
 * Lines for the domain's zone file.
 * @param host  the machine that serves the domain; the domain itself when not given
 */
export function srvRecords(domain: string, ports: PublicPorts, host = domain): string {
  const owner = asciiDomain(domain)
  const target = asciiDomain(host)
  const record = (service: string, port: number) => `_${service}._tcp.${owner}. 3600 IN SRV 0 5 ${port} ${target}.`
  const lines: string[] = []
  if (ports.c2s !== undefined) lines.push(record('xmpp-client', ports.c2s))
  if (ports.tls !== undefined) lines.push(record('xmpps-client', ports.tls))
  return lines.map((line) => `${line}\n`).join('')
}

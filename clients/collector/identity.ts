/** What tells this endpoint from others: machine-id, serial, names, network addresses. SACM-XMPP §1, Endpoint identity. */

import { networkInterfaces } from 'node:os'
import type { EndpointIdentifier } from '../../modules/repository/xml.ts'
import { machine } from './probes/machine.ts'

/** Attributes of the machine probe that identify, strongest first. */
const IDENTIFYING: readonly (readonly [attribute: string, type: string])[] = [
  ['machine.id', 'machine-id'],
  ['machine.serial', 'serial'],
  ['machine.fqdn', 'fqdn'],
  ['machine.hostname', 'hostname'],
]
/** What firmware makers leave where a serial number should be: the same on thousands of machines. */
const PLACEHOLDER =
  /^(0+|1234567890?|none|n\/a|not (specified|applicable|available)|to be filled.*|default string|system serial number|oem|unknown|\W*)$/i
const MAX_ADDRESSES = 16

/** @returns at least one identifier @throws Error when the host tells nothing of itself */
export async function identify(signal: AbortSignal, root = '/'): Promise<readonly EndpointIdentifier[]> {
  const attributes = await machine.collect({ now: Date.now(), signal, root })
  const values = new Map(attributes.map(({ name, value }) => [name, value?.trim()]))
  const identifiers: EndpointIdentifier[] = []
  for (const [attribute, type] of IDENTIFYING) {
    const value = values.get(attribute)
    if (value && !(type === 'serial' && PLACEHOLDER.test(value))) identifiers.push({ type, value })
  }
  // The addresses of this host belong to no other root.
  if (root === '/') identifiers.push(...hardwareAddresses().map((value) => ({ type: 'mac', value })))
  if (identifiers.length === 0) throw new Error('this host has neither machine-id nor serial, name or network address')
  return identifiers
}

function hardwareAddresses(): readonly string[] {
  const addresses = Object.values(networkInterfaces())
    .flatMap((entries) => entries ?? [])
    .filter(({ internal, mac }) => !internal && mac !== '00:00:00:00:00:00')
    .map(({ mac }) => mac.toLowerCase())
  return [...new Set(addresses)].sort().slice(0, MAX_ADDRESSES)
}

/** Limits of connections and streams as the configuration states them. RFC 6120 §13.12; XEP-0478. */

import type { Config } from './config.ts'
import { ConfigRefused } from './module/api.ts'
import type { C2sLimits } from './session/c2s.ts'
import { type Element, el } from './xml/element.ts'
import { NS_STREAM_LIMITS } from './xml/namespaces.ts'
import type { ParserLimits } from './xml/parser.ts'

/** Addresses and names of this machine itself. */
export const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|::1|localhost)$/

/** Bounds on connections and rates, which labs may lift. @throws ConfigRefused where others than the lab would gain */
export function bounds(
  config: Config,
): Pick<C2sLimits, 'maxConnections' | 'connectionsPerAddress' | 'stanzasPerSecond' | 'bytesPerSecond'> {
  const maxConnections = config['limits.connections']
  if (!config['limits.off']) {
    return {
      maxConnections,
      connectionsPerAddress: config['limits.connectionsPerAddress'],
      stanzasPerSecond: config['limits.stanzasPerSecond'],
      bytesPerSecond: config['limits.bytesPerSecond'],
    }
  }
  if (!LOOPBACK.test(config.host)) {
    throw new ConfigRefused(
      'limits.off lets anyone who reaches this server exhaust it, and host is not loopback',
      'Set host to 127.0.0.1 or ::1.',
    )
  }
  return { maxConnections, connectionsPerAddress: maxConnections, stanzasPerSecond: 0, bytesPerSecond: 0 }
}

/** What the parser takes of one element. */
export function xmlLimits(config: Config): ParserLimits {
  return {
    maxStanzaBytes: config['limits.stanzaBytes'],
    maxDepth: config['limits.depth'],
    maxAttributes: config['limits.attributes'],
    maxNameLength: config['limits.nameBytes'],
  }
}

/** Of one external component; 0: any. */
export function componentRates(config: Config): { stanzasPerSecond: number; bytesPerSecond: number } {
  if (config['limits.off']) return { stanzasPerSecond: 0, bytesPerSecond: 0 }
  return {
    stanzasPerSecond: config['limits.componentStanzasPerSecond'],
    bytesPerSecond: config['limits.componentBytesPerSecond'],
  }
}

/** What a stream takes at most, told before it is exceeded; a silent client is asked after half of its time. XEP-0478 §3. */
export function streamLimits(maxBytes: number, idleSeconds: number): Element {
  return el(
    'limits',
    { xmlns: NS_STREAM_LIMITS },
    el('max-bytes', {}, String(maxBytes)),
    idleSeconds === 0 ? undefined : el('idle-seconds', {}, String(Math.ceil(idleSeconds / 2))),
  )
}

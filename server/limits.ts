/** Limits of connections and streams as the configuration states them. RFC 6120 §13.12; XEP-0478. */

import type { Config } from './config.ts'
import { ConfigRefused } from './module/api.ts'
import type { C2sLimits, C2sTimeouts } from './session/c2s.ts'
import type { ComponentsOptions } from './session/components.ts'
import { type Element, el } from './xml/element.ts'
import { NS_STREAM_LIMITS } from './xml/namespaces.ts'
import type { ParserLimits } from './xml/parser.ts'

/** Addresses and names of this machine itself. */
export const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|::1|localhost)$/

/** Of clients. @throws ConfigRefused where others than the lab would gain */
export function clientLimits(config: Config): C2sLimits {
  return {
    ...bounds(config),
    ...streamBounds(config),
    queuedStanzas: config['limits.sessionQueue'],
    unackedStanzas: config['limits.unackedStanzas'],
    unackedBytes: config['limits.unackedBytes'],
    deferredStanzas: config['limits.deferredStanzas'],
    resourcesPerAccount: config['limits.resources'],
    loginAttempts: config['limits.saslAttempts'],
  }
}

export function componentLimits(config: Config): ComponentsOptions['limits'] {
  return {
    ...streamBounds(config),
    ...componentRates(config),
    maxConnections: config['limits.componentConnections'],
  }
}

/** Of clients; components have the same, as far as they have them. */
export function clientTimeouts(config: Config): C2sTimeouts {
  return {
    authMs: config['timeouts.authSeconds'] * 1000,
    closeMs: config['timeouts.closeSeconds'] * 1000,
    slowReaderMs: config['timeouts.slowReaderSeconds'] * 1000,
    resumeMs: config['timeouts.resumeSeconds'] * 1000,
    idleMs: config['timeouts.idleSeconds'] * 1000,
    overRateMs: config['timeouts.overRateSeconds'] * 1000,
  }
}

/** Of the stream of a client and of a component alike. */
function streamBounds(config: Config): Pick<C2sLimits, 'xml' | 'stanzaBytes' | 'anonymousBytes' | 'maxOutputBytes'> {
  return {
    xml: xmlLimits(config),
    stanzaBytes: config['limits.stanzaBytes'],
    anonymousBytes: config['limits.preAuthStanzaBytes'],
    maxOutputBytes: config['limits.outputBytes'],
  }
}

/** On connections and rates, which labs may lift. */
function bounds(
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
function xmlLimits(config: Config): ParserLimits {
  return {
    maxStanzaBytes: config['limits.stanzaBytes'],
    maxDepth: config['limits.depth'],
    maxAttributes: config['limits.attributes'],
    maxNameLength: config['limits.nameBytes'],
  }
}

/** Of one external component; 0: any. */
function componentRates(config: Config): { stanzasPerSecond: number; bytesPerSecond: number } {
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

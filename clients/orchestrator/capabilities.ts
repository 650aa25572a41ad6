/** The orchestrator's side of the capability handshake: which capabilities a component may have, and on which topics. SACM-XMPP §2, Capability URNs. */

import type { Advertise, Capability, CapabilityAnswer } from '../../modules/sacm/xml.ts'

/** `sacm.capabilities.max`. */
const MAX_CAPABILITIES = 32
const OURS = /^urn:sacm-xmpp:capability:([a-z]+):([a-z0-9-]+)$/
const TYPES = new Set(['system', 'oval', 'xccdf', 'swid'])
/** What ARCH's component types do; others are legal, and what they may use is the server's to say. */
const KINDS: Readonly<Record<string, readonly Capability['kind'][]>> = {
  'posture-collection-service': ['collection'],
  'posture-evaluation-service': ['evaluation'],
  repository: ['repository'],
}

/** Answers each capability with its topic, or with why not. */
export function answerCapabilities({ type, capabilities }: Advertise): readonly CapabilityAnswer[] {
  return capabilities.map((capability, index) => {
    const refusal = index < MAX_CAPABILITIES ? refusalOf(capability, type) : `at most ${MAX_CAPABILITIES} capabilities`
    const { urn } = capability
    if (refusal !== undefined) return { urn, status: 'failure', messages: [refusal] }
    return { urn, status: 'success', topic: topicOf(capability), messages: [] }
  })
}

/** The broadcast topic of a capability. */
export function topicOf({ urn, kind }: Capability): string {
  const type = OURS.exec(urn)?.[2]
  return `/${kind}/${type ?? encodeURIComponent(urn)}`
}

function refusalOf({ urn, kind }: Capability, type: string): string | undefined {
  const kinds = Object.hasOwn(KINDS, type) ? KINDS[type] : undefined
  if (kinds && !kinds.includes(kind)) return `a ${type} has no capability of kind ${kind}`
  if (!urn.startsWith('urn:sacm-xmpp:')) return undefined
  const ours = OURS.exec(urn)
  if (ours?.[1] !== kind || !TYPES.has(ours[2] ?? '')) return `${urn} is no capability of kind ${kind}`
  return undefined
}

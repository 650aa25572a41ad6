/** What a SACM component says of itself in disco and caps: one feature per capability, and a form. SACM-XMPP §1; XEP-0128. */

import {
  type Capability,
  type ComponentType,
  NS_CAPABILITY,
  NS_COLLECTION,
  NS_EVALUATION,
  NS_HEARTBEAT,
  NS_JOB,
  NS_TOPIC,
} from '../../modules/sacm/xml.ts'
import type { ClientProfile } from './client.ts'

/** FORM_TYPE of the form; registered nowhere, as is all of urn:sacm-xmpp:. */
const FORM_CAPABILITIES = 'urn:sacm-xmpp:capability:0#disco'

const TAKES: Readonly<Record<Capability['kind'], string | undefined>> = {
  collection: NS_COLLECTION,
  evaluation: NS_EVALUATION,
  repository: undefined,
}

/** The namespaces it takes, versions and all (G-008), and its capabilities. */
export function sacmProfile(component: {
  readonly type: ComponentType
  readonly name: string
  readonly capabilities: readonly Capability[]
}): ClientProfile {
  const { type, name, capabilities } = component
  const urns = capabilities.map((capability) => capability.urn)
  const payloads = new Set(capabilities.flatMap((capability) => TAKES[capability.kind] ?? []))
  return {
    identities: [{ category: 'client', type: 'bot', name }],
    features: [NS_TOPIC, NS_CAPABILITY, NS_HEARTBEAT, NS_JOB, ...payloads, ...urns],
    forms: [
      {
        type: 'result',
        formType: FORM_CAPABILITIES,
        fields: [
          { name: 'type', values: [type] },
          { name: 'capabilities', values: urns },
        ],
      },
    ],
  }
}

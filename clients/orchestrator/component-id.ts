/** New component ids: what they are and a random part. SACM-XMPP §2. */

import { randomBytes } from 'node:crypto'
import type { ComponentType } from '../../modules/sacm/xml.ts'

const PREFIXES: Readonly<Record<string, string>> = {
  'posture-collection-service': 'collector',
  'posture-evaluation-service': 'evaluator',
  repository: 'store',
  orchestrator: 'conductor',
}
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz234567'
const RANDOM_CHARS = 10

/** `collector-k3v…`: 50 bits, so that no two meet; the server refuses one that is bound to another account. */
export function makeComponentId(type: ComponentType): string {
  const prefix = Object.hasOwn(PREFIXES, type) ? PREFIXES[type] : 'component'
  const random = Array.from(randomBytes(RANDOM_CHARS), (byte) => ALPHABET[byte % ALPHABET.length]).join('')
  return `${prefix}-${random}`
}

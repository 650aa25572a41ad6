/** How the program stands to the XMPP Compliance Suites 2023. XEP-0479 §2, the columns of servers. */

import type { SpecRef } from '../../server/module/api.ts'

export interface Requirement {
  readonly suite: 'Core' | 'Web' | 'IM' | 'Mobile' | 'A/V Calling'
  readonly level: 'server' | 'advanced server'
  readonly feature: string
  /** All of them. */
  readonly docs: readonly string[]
}

export interface Standing extends Requirement {
  readonly isMet: boolean
  /** What of it is not there: whole specifications, or parts that ours leaves out. */
  readonly missing: readonly string[]
}

const REQUIREMENTS: readonly Requirement[] = [
  { suite: 'Core', level: 'server', feature: 'Core features', docs: ['RFC 6120'] },
  { suite: 'Core', level: 'server', feature: 'TLS', docs: ['RFC 7590'] },
  { suite: 'Core', level: 'server', feature: 'Feature discovery', docs: ['XEP-0030'] },
  { suite: 'Core', level: 'server', feature: 'Server extensibility', docs: ['XEP-0114'] },
  { suite: 'Core', level: 'advanced server', feature: 'Direct TLS', docs: ['XEP-0368'] },
  { suite: 'Core', level: 'advanced server', feature: 'Feature broadcasts', docs: ['XEP-0115'] },
  { suite: 'Core', level: 'advanced server', feature: 'Event publishing', docs: ['XEP-0163'] },
  { suite: 'Web', level: 'server', feature: 'Web connection mechanisms', docs: ['RFC 7395', 'XEP-0206'] },
  { suite: 'IM', level: 'server', feature: 'Core features', docs: ['RFC 6121'] },
  { suite: 'IM', level: 'server', feature: 'vcard-temp', docs: ['XEP-0054'] },
  { suite: 'IM', level: 'server', feature: 'Outbound message synchronization', docs: ['XEP-0280'] },
  { suite: 'IM', level: 'server', feature: 'Group chat', docs: ['XEP-0045', 'XEP-0249'] },
  { suite: 'IM', level: 'server', feature: 'File upload', docs: ['XEP-0363'] },
  { suite: 'IM', level: 'advanced server', feature: 'User avatar compatibility', docs: ['XEP-0398', 'XEP-0153'] },
  { suite: 'IM', level: 'advanced server', feature: 'User blocking', docs: ['XEP-0191'] },
  {
    suite: 'IM',
    level: 'advanced server',
    feature: 'Advanced group chat',
    docs: ['XEP-0048', 'XEP-0313', 'XEP-0402', 'XEP-0410'],
  },
  {
    suite: 'IM',
    level: 'advanced server',
    feature: 'Persistent storage of private data via pubsub',
    docs: ['XEP-0223'],
  },
  { suite: 'IM', level: 'advanced server', feature: 'Private XML storage', docs: ['XEP-0049'] },
  { suite: 'IM', level: 'advanced server', feature: 'Stream management', docs: ['XEP-0198'] },
  { suite: 'IM', level: 'advanced server', feature: 'History storage and retrieval', docs: ['XEP-0313'] },
  { suite: 'Mobile', level: 'server', feature: 'Stream management', docs: ['XEP-0198'] },
  { suite: 'Mobile', level: 'server', feature: 'Client state indication', docs: ['XEP-0352'] },
  { suite: 'Mobile', level: 'advanced server', feature: 'Third-party push notifications', docs: ['XEP-0357'] },
  { suite: 'A/V Calling', level: 'server', feature: 'STUN/TURN server discovery', docs: ['XEP-0215'] },
]

/** Every requirement with what is missing; it is met when the program implements all its specifications at least in part. */
export function compliance(specs: readonly SpecRef[]): readonly Standing[] {
  return REQUIREMENTS.map((requirement) => {
    const absent = requirement.docs.filter((doc) => !specs.some((spec) => spec.doc === doc))
    const omitted = specs
      .filter(({ doc, omits }) => omits !== undefined && requirement.docs.includes(doc))
      .map(({ doc, omits }) => `of ${doc}: ${omits}`)
    return { ...requirement, isMet: absent.length === 0, missing: [...absent, ...omitted] }
  })
}

/** One row per requirement, as text for tables. */
export function complianceRows(standings: readonly Standing[]): readonly (readonly string[])[] {
  return standings.map(({ suite, level, feature, docs, isMet, missing }) => [
    suite,
    level,
    feature,
    docs.join(', '),
    isMet ? 'yes' : 'no',
    missing.join('; '),
  ])
}

export const COMPLIANCE_HEADER = ['suite', 'level', 'feature', 'specifications', 'met', 'not there'] as const

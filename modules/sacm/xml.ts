/**
 * SACM's control payloads, Element to typed value and back, for both ends of the wire. The one file of this folder
 * that clients import. Every parse function throws a StanzaError modify/bad-request with payload-invalid and the
 * place of the fault. SACM-XMPP §2, §3.
 */

export { NS_SACM_ERRORS } from '../repository/xml.ts'
export * from './model.ts'
export * from './onboarding-xml.ts'
export * from './topic-xml.ts'
export * from './work-xml.ts'

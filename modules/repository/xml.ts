/**
 * The wire of the repository: its values, and Element to value and back. The one file of this folder that clients
 * import. Every parse function throws a StanzaError modify/bad-request with payload-invalid and the place of the
 * fault. SACM-XMPP §3, §4.
 */

export { parseAnswer, renderAnswer } from './answer-xml.ts'
export * from './model.ts'
export * from './payload.ts'
export { parseQuery, QUERY_KINDS, renderQuery } from './query-xml.ts'
export { parseReport, renderReport } from './report-xml.ts'
export { parseResult, renderResult } from './result-xml.ts'

/** Addresses, prepared and compared as RFC 7622 says. */

/** A valid address in its normal form; absent parts are empty. `bare` and `full` are its texts, ready as map keys. */
export interface Jid {
  readonly local: string
  readonly domain: string
  readonly resource: string
  /** `local@domain` or `domain`. */
  readonly bare: string
  /** `bare/resource`, or `bare` when there is no resource. */
  readonly full: string
}

export declare class JidError extends Error {}
/** @throws JidError naming the part that is malformed */
export declare function parseJid(text: string): Jid
export declare function tryParseJid(text: string): Jid | undefined
/** Prepares each part. @throws JidError */
export declare function makeJid(local: string, domain: string, resource?: string): Jid
export declare function bareJid(jid: Jid): Jid
/** The same bare JID with this resource, prepared. @throws JidError */
export declare function withResource(jid: Jid, resource: string): Jid

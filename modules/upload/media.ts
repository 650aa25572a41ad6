/** What a browser may make of a file that somebody uploaded: nothing that runs. XEP-0363 §9.1; RFC 6266, RFC 9530. */

const TYPE = /^([a-z0-9][\w!#$&^.+-]{0,126}\/[a-z0-9][\w!#$&^.+-]{0,126})(?:\s*;[\x20-\x7e]*)?$/i
/** Shown or played by browsers without running anything; XML in disguise (svg) is not among them. */
const HARMLESS = /^(?:image\/(?:png|jpeg|gif|webp|avif|heic|bmp)|(?:audio|video)\/[\w.-]+|text\/plain)$/
const ANY = 'application/octet-stream'

/** The type alone, in lower case and without parameters; undefined for what is none. */
export function mediaType(text: string): string | undefined {
  return text.length <= 255 ? TYPE.exec(text)?.[1]?.toLowerCase() : undefined
}

/** The type under which a file is handed out. */
export function servedType(contentType: string | undefined): string {
  return contentType !== undefined && HARMLESS.test(contentType) ? contentType : ANY
}

/** RFC 6266 §4.3, RFC 8187 §3.2: always to be saved, under the name it was given. */
export function disposition(name: string): string {
  return `attachment; filename*=UTF-8''${percentEncoded(name)}`
}

/** RFC 3986 §2.3: all but unreserved characters. */
export function percentEncoded(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
}

/** `Repr-Digest` and `Content-Digest`. RFC 9530 §2, §3. */
export function digestField(sha256: string): string {
  return `sha-256=:${sha256}:`
}

/** The SHA-256 that such a field states, in base64; undefined when it states another hash or none. */
export function statedDigest(field: string | readonly string[] | undefined): string | undefined {
  const text = typeof field === 'string' ? field : field?.join(', ')
  return /(?:^|,)\s*sha-256=:([A-Za-z0-9+/=]+):/.exec(text ?? '')?.[1]
}

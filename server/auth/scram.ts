/** The server's side of SCRAM. RFC 5802 §5 to §7, RFC 7677, RFC 9266, XEP-0474. */

import { hash as digest } from 'node:crypto'
import { SaslError } from '../stanza/errors.ts'
import type { ChannelBinding } from './channel-binding.ts'
import { hmac, isEqual, type ScramHash, type ScramKeys, SIZES } from './keys.ts'
import { randomText } from './random.ts'

export interface ScramOptions {
  readonly hash: ScramHash
  /**
   * Keys of a user, also for one that does not exist: then keys that no password fits, the same at every call.
   * @throws SaslError for a name that no user can have
   */
  keysOf(username: string): Promise<ScramKeys>
  /** For a -PLUS mechanism: the bindings that this stream has. */
  readonly bindings?: readonly ChannelBinding[]
  /** -PLUS mechanisms were offered on this stream, so a client that could bind must not say it was not offered. */
  readonly isPlusOffered?: boolean
  /** What the stream advertised; its hash goes into the signed messages, so that a client sees a downgrade. XEP-0474. */
  readonly advertised?: string
  /** The server's part of the nonce, for tests. */
  readonly nonce?: string
}

interface Success {
  readonly serverFinal: string
  readonly username: string
  readonly authzid?: string
}

const MAX_MESSAGE_CHARS = 8_192
const NONCE_BYTES = 24

/** What is remembered between the two messages. */
interface Exchange {
  readonly username: string
  readonly authzid: string | undefined
  readonly keys: ScramKeys
  readonly nonce: string
  /** The value that `c=` must have. */
  readonly binding: string
  /** client-first-message-bare , server-first-message */
  readonly messages: string
}

/** One login: `first`, then `final`, each once. Texts of errors are the server-error values of RFC 5802 §7. */
export class ScramServer {
  readonly #options: ScramOptions
  #exchange: Exchange | undefined
  /** Whom the client says it is, once `first` has been taken. */
  username: string | undefined

  constructor(options: ScramOptions) {
    this.#options = options
  }

  /** @throws SaslError */
  async first(clientFirst: string): Promise<string> {
    if (clientFirst.length > MAX_MESSAGE_CHARS) throw malformed('message too long')
    const { gs2Header, authzid, bare, username, clientNonce } = parseClientFirst(clientFirst)
    this.username = username
    const binding = this.#bindingOf(gs2Header)
    const keys = await this.#options.keysOf(username)
    const nonce = clientNonce + (this.#options.nonce ?? randomText(NONCE_BYTES, 'base64'))
    const { hash, advertised } = this.#options
    // XEP-0474 §5.1.
    const seen = advertised === undefined ? '' : `,h=${digest(hash, advertised, 'base64')}`
    const serverFirst = `r=${nonce},s=${keys.salt},i=${keys.iterations}${seen}`
    this.#exchange = { username, authzid, keys, nonce, binding, messages: `${bare},${serverFirst}` }
    return serverFirst
  }

  /** @throws SaslError */
  final(clientFinal: string): Success {
    const exchange = this.#exchange
    // An exchange proves one password once: a second try needs a new nonce.
    this.#exchange = undefined
    if (!exchange) throw malformed('no exchange is under way')
    if (clientFinal.length > MAX_MESSAGE_CHARS) throw malformed('message too long')
    const { binding, nonce, withoutProof, proof } = parseClientFinal(clientFinal)
    if (binding !== exchange.binding) throw new SaslError('not-authorized', 'channel-bindings-dont-match')
    if (nonce !== exchange.nonce) throw malformed('the nonce is not the one of this exchange')
    const { hash, serverKey, storedKey } = exchange.keys
    const authMessage = `${exchange.messages},${withoutProof}`
    if (!proves(hash, Buffer.from(storedKey, 'base64'), proof, authMessage))
      // Also for an unknown user: nobody learns which accounts exist.
      throw new SaslError('not-authorized', 'invalid-proof')
    const signature = hmac(hash, Buffer.from(serverKey, 'base64'), authMessage).toString('base64')
    const { username, authzid } = exchange
    return { serverFinal: `v=${signature}`, username, ...(authzid === undefined ? {} : { authzid }) }
  }

  /** The `c=` value that fits the gs2 header and, for -PLUS, this stream's channel. RFC 5802 §6. */
  #bindingOf(gs2Header: string): string {
    const [flag = ''] = gs2Header.split(',', 1)
    const { bindings, isPlusOffered } = this.#options
    if (flag.startsWith('p=')) {
      if (!bindings) throw malformed('channel-binding-not-supported')
      const data = bindings.find(({ type }) => type === flag.slice(2))?.data
      if (!data) throw malformed('unsupported-channel-binding-type')
      return Buffer.concat([Buffer.from(gs2Header), data]).toString('base64')
    }
    if (bindings) throw malformed('a -PLUS mechanism needs channel binding')
    // The client could bind and saw no -PLUS in our list: somebody took it out. RFC 5802 §6.
    if (flag === 'y' && isPlusOffered) throw new SaslError('not-authorized', 'server-does-support-channel-binding')
    return Buffer.from(gs2Header).toString('base64')
  }
}

/** gs2-header = gs2-cbind-flag "," [ authzid ] ","; then [reserved-mext ","] username "," nonce ["," extensions]. §7. */
const CLIENT_FIRST =
  /^(?<header>(?:n|y|p=[A-Za-z0-9.-]+),(?:a=(?<authzid>[^,\0]+))?,)(?<bare>(?<mext>m=[^,\0]+,)?n=(?<name>[^,\0]+),r=(?<nonce>[!-+\--~]+)(?:,[A-Za-z]=[^,\0]+)*)$/u

function parseClientFirst(text: string) {
  const groups = CLIENT_FIRST.exec(text)?.groups
  if (!groups) throw malformed('invalid-encoding')
  if (groups['mext'] !== undefined) throw malformed('extensions-not-supported')
  const { header = '', authzid, bare = '', name = '', nonce = '' } = groups
  return {
    gs2Header: header,
    authzid: authzid === undefined ? undefined : decodeName(authzid),
    bare,
    username: decodeName(name),
    clientNonce: nonce,
  }
}

const CLIENT_FINAL =
  /^(?<withoutProof>c=(?<binding>[A-Za-z0-9+/]+={0,2}),r=(?<nonce>[!-+\--~]+)(?:,[A-Za-z]=[^,\0]+)*),p=(?<proof>[A-Za-z0-9+/]+={0,2})$/u

function parseClientFinal(text: string) {
  const groups = CLIENT_FINAL.exec(text)?.groups
  if (!groups) throw malformed('invalid-encoding')
  const { withoutProof = '', binding = '', nonce = '', proof = '' } = groups
  const bytes = Buffer.from(proof, 'base64')
  if (bytes.toString('base64') !== proof) throw malformed('invalid-encoding')
  return { withoutProof, binding, nonce, proof: bytes }
}

/** saslname: `,` and `=` are written =2C and =3D, and no other `=` may stand there. RFC 5802 §5.1. */
function decodeName(text: string): string {
  if (/=(?!2C|3D)/.test(text)) throw malformed('invalid-username-encoding')
  return text.replaceAll('=2C', ',').replaceAll('=3D', '=')
}

/** ClientKey = ClientProof XOR ClientSignature; H(ClientKey) must be StoredKey. RFC 5802 §3. */
function proves(hash: ScramHash, storedKey: Buffer, proof: Buffer, authMessage: string): boolean {
  if (proof.length !== SIZES[hash].digest) throw malformed('invalid-encoding')
  const clientKey = hmac(hash, storedKey, authMessage)
  for (const [i, byte] of proof.entries()) clientKey[i] = (clientKey[i] ?? 0) ^ byte
  return isEqual(digest(hash, clientKey, 'buffer'), storedKey)
}

function malformed(text: string): SaslError {
  return new SaslError('malformed-request', text)
}

/** A lean XMPP client for load: direct TLS, SCRAM-SHA-1, one resource; what comes in is handed on as text. */

import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import { attributeOf, FrameReader } from './frames.ts'

/** Where a server listens with TLS from the first byte. */
export interface Target {
  readonly host: string
  readonly port: number
  readonly domain: string
  /** PEM of the authority that signed its certificate. */
  readonly ca: string
}

const LOGIN_TIMEOUT_MS = 60_000

export class LoadSession {
  readonly fullJid: string
  readonly bareJid: string
  /** Every stanza from now on. */
  onFrame: (frame: string) => void = () => {}
  readonly #socket: TLSSocket
  #out = ''
  #isReading = false

  private constructor(socket: TLSSocket, bareJid: string, fullJid: string) {
    this.#socket = socket
    this.bareJid = bareJid
    this.fullJid = fullJid
    const reader = new FrameReader((frame) => this.onFrame(frame))
    // What is sent while a chunk is worked off leaves in one write after it.
    socket.on('data', (chunk: Buffer) => {
      this.#isReading = true
      reader.write(chunk)
      this.#isReading = false
      this.flush()
    })
    socket.on('error', () => socket.destroy())
  }

  /** Connects, logs in and binds; `available` sends presence too. */
  static async open(target: Target, user: string, password: string, available: boolean): Promise<LoadSession> {
    const steps = new Steps(target)
    try {
      await steps.openStream()
      await steps.login(user, password)
      await steps.openStream()
      const bind = `<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>bench</resource></bind></iq>`
      const bound = await steps.ask(bind)
      const fullJid = /<jid>([^<]+)<\/jid>/.exec(bound)?.[1]
      if (fullJid === undefined) throw new Error(`not bound: ${bound.slice(0, 500)}`)
      if (available) {
        steps.socket.write('<presence/>')
        // An account's own presence comes back, on every server; then it is known to be available.
        while (!(await steps.next()).startsWith('<presence'));
      }
      steps.done()
      return new LoadSession(steps.socket, `${user}@${target.domain}`, fullJid)
    } catch (error) {
      steps.socket.destroy()
      throw error
    }
  }

  /** What is sent in one turn, by whatever caused it, leaves in one write. */
  send(text: string): void {
    if (this.#out === '' && !this.#isReading) queueMicrotask(() => this.flush())
    this.#out += text
  }

  flush(): void {
    if (this.#out === '') return
    const out = this.#out
    this.#out = ''
    this.#socket.write(out, 'latin1')
  }

  /** Calls back when the connection has ended, whoever ended it. */
  onClosed(closed: () => void): void {
    this.#socket.once('close', closed)
  }

  /** Ends the stream and the connection; resolves when the socket is gone. */
  close(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    if (this.#socket.closed) resolve()
    else this.#socket.once('close', () => resolve())
    this.#socket.end('</stream:stream>')
    const timer = setTimeout(() => this.#socket.destroy(), 2_000)
    return promise.then(() => clearTimeout(timer))
  }
}

/** The conversation up to the bound resource, one answer at a time. */
class Steps {
  readonly socket: TLSSocket
  readonly #target: Target
  readonly #frames: string[] = []
  #waiting: { resolve(frame: string): void; reject(error: Error): void } | undefined
  #failed: Error | undefined
  readonly #timer: NodeJS.Timeout
  readonly #onData: (chunk: Buffer) => void

  constructor(target: Target) {
    this.#target = target
    const { host, port } = target
    this.socket = connect({
      host,
      port,
      servername: target.domain,
      secureContext: contextFor(target.ca),
      ALPNProtocols: ['xmpp-client'],
      checkServerIdentity: () => undefined,
    })
    this.socket.setNoDelay(true)
    const reader = new FrameReader((frame) => {
      const waiting = this.#waiting
      this.#waiting = undefined
      if (waiting) waiting.resolve(frame)
      else this.#frames.push(frame)
    })
    this.#onData = (chunk) => reader.write(chunk)
    this.socket.on('data', this.#onData)
    this.socket.on('error', this.#fail)
    this.socket.on('close', this.#onClose)
    this.#timer = setTimeout(() => this.#fail(new Error('the login took too long')), LOGIN_TIMEOUT_MS)
  }

  readonly #onClose = (): void => this.#fail(new Error('the server closed the connection during login'))

  readonly #fail = (error: Error): void => {
    this.#failed ??= error
    this.#waiting?.reject(this.#failed)
    this.#waiting = undefined
    this.socket.destroy()
  }

  next(): Promise<string> {
    const frame = this.#frames.shift()
    if (frame !== undefined) return Promise.resolve(frame)
    if (this.#failed) return Promise.reject(this.#failed)
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
    })
  }

  async ask(text: string): Promise<string> {
    this.socket.write(text)
    return await this.next()
  }

  async openStream(): Promise<void> {
    this.socket.write(
      `<?xml version='1.0'?><stream:stream to='${this.#target.domain}' xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>`,
    )
    for (;;) {
      const frame = await this.next()
      if (frame.startsWith('<stream:features')) return
      if (frame.startsWith('<stream:error')) throw new Error(frame.slice(0, 500))
    }
  }

  /** RFC 5802 without channel binding. */
  async login(user: string, password: string): Promise<void> {
    const bare = `n=${user},r=${randomBytes(18).toString('base64')}`
    const auth = `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>${base64(`n,,${bare}`)}</auth>`
    const serverFirst = contentOf(await this.ask(auth), 'challenge')
    const [, nonce, salt, iterations] = /^r=([^,]+),s=([^,]+),i=(\d+)/.exec(serverFirst) ?? []
    if (!nonce || !salt || !iterations) throw new Error(`not a SCRAM challenge: ${serverFirst}`)
    const keys = keysFor(password, salt, Number(iterations))
    const withoutProof = `c=biws,r=${nonce}`
    const messages = `${bare},${serverFirst},${withoutProof}`
    const signature = hmac(keys.storedKey, messages)
    const proof = Buffer.from(keys.clientKey.map((byte, at) => byte ^ (signature[at] ?? 0)))
    const final = base64(`${withoutProof},p=${proof.toString('base64')}`)
    const success = contentOf(
      await this.ask(`<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>${final}</response>`),
      'success',
    )
    const expected = `v=${hmac(keys.serverKey, messages).toString('base64')}`
    if (success !== expected) throw new Error('the server does not know the password')
  }

  /** Lets go of the socket, which goes on under another owner. */
  done(): void {
    clearTimeout(this.#timer)
    this.socket.off('data', this.#onData)
    this.socket.off('error', this.#fail)
    this.socket.off('close', this.#onClose)
  }
}

interface Keys {
  readonly clientKey: Buffer
  readonly storedKey: Buffer
  readonly serverKey: Buffer
}

/** A client that logs in often keeps its salted password, as real ones do. RFC 5802 §5.1. */
const keyCache = new Map<string, Keys>()

function keysFor(password: string, salt: string, iterations: number): Keys {
  const name = `${iterations} ${salt} ${password}`
  let keys = keyCache.get(name)
  if (!keys) {
    const salted = pbkdf2Sync(password, Buffer.from(salt, 'base64'), iterations, 20, 'sha1')
    const clientKey = hmac(salted, 'Client Key')
    keys = {
      clientKey,
      storedKey: createHash('sha1').update(clientKey).digest(),
      serverKey: hmac(salted, 'Server Key'),
    }
    keyCache.set(name, keys)
  }
  return keys
}

let context: { readonly ca: string; readonly secure: SecureContext } | undefined

/** One context for all: making one costs more than a handshake. */
function contextFor(ca: string): SecureContext {
  // The one key exchange that all servers here know: what a newer OpenSSL adds would be counted against its server.
  if (context?.ca !== ca) context = { ca, secure: createSecureContext({ ca, ecdhCurve: 'X25519' }) }
  return context.secure
}

function contentOf(frame: string, name: string): string {
  const content = new RegExp(`^<${name}\\b[^>]*>([^<]*)</${name}>$`).exec(frame)?.[1]
  if (content === undefined) throw new Error(`expected ${name}, got ${frame.slice(0, 300)}`)
  return Buffer.from(content, 'base64').toString('utf8')
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac('sha1', key).update(text).digest()
}

function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64')
}

/** Sends one request on an idle session and takes its answer. @throws Error when it is not a result */
export function request(
  session: LoadSession,
  id: string,
  type: 'get' | 'set',
  to: string,
  payload: string,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const before = session.onFrame
    session.onFrame = (frame) => {
      if (attributeOf(frame, 'id') !== id) {
        before(frame)
        return
      }
      session.onFrame = before
      if (attributeOf(frame, 'type') === 'result') resolve(frame)
      else reject(new Error(frame.slice(0, 1000)))
    }
    session.send(`<iq type='${type}' id='${id}' to='${to}'>${payload}</iq>`)
  })
}

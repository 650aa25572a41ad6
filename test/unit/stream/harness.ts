/** A listening server with two accounts, and clients that say exactly what a test tells them to. */

import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer as createHttpServer, type Server } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConnectionOptions, TLSSocket, connect as tlsConnect } from 'node:tls'
import { WebSocket } from 'ws'
import { exportCa } from '../../../certs/ca.ts'
import { ensureServerCertificate } from '../../../certs/issue.ts'
import { deriveKeys } from '../../../server/auth/keys.ts'
import { ScramServer } from '../../../server/auth/scram.ts'
import { createLogger } from '../../../server/log.ts'
import { type TlsMaterial, tlsContextOptions } from '../../../server/net/tls.ts'
import { type C2s, type C2sOptions, type C2sPorts, createC2s } from '../../../server/session/c2s.ts'
import type { Session } from '../../../server/session/session.ts'
import type { Authenticator, Mechanism } from '../../../server/stream/mechanisms.ts'
import type { Element } from '../../../server/xml/element.ts'

export const DOMAIN = 'test'
export const WAIT_MS = 10_000
const PASSWORD = 'pencil'
/** RFC 7677 §4: clients refuse fewer. */
const ITERATIONS = 4096

export const silent = createLogger('silent')

/** alice and bob, both with the password `pencil`. */
export const authenticator: Authenticator = {
  scram: (hash, channel) =>
    new ScramServer({
      ...channel,
      hash,
      keysOf: (name) => deriveKeys(hash, passwordOf(name), saltOf(name), ITERATIONS),
    }),
  verifyPassword: async (local, password) => password === passwordOf(local),
  mayLogIn: (local) => local === 'alice' || local === 'bob',
}

function passwordOf(name: string): string {
  return name === 'alice' || name === 'bob' ? PASSWORD : randomBytes(16).toString('hex')
}

function saltOf(name: string): string {
  return createHash('sha256').update(name).digest('base64')
}

interface TestMaterial extends TlsMaterial {
  /** What clients trust. */
  readonly ca: string
}

let material: TestMaterial | undefined

/** One authority and certificate for all tests of a file. */
export function tlsMaterial(): TestMaterial {
  material ??= newMaterial()
  return material
}

/** A new authority, and the server's certificate from it. */
export function newMaterial(): TestMaterial {
  const folder = mkdtempSync(join(tmpdir(), 'sacm-tls-'))
  try {
    const { key, cert } = ensureServerCertificate(folder, DOMAIN, { ips: ['127.0.0.1'] })
    return { key, cert, ca: exportCa(folder) ?? '' }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

export interface TestC2s {
  readonly c2s: C2s
  readonly ports: C2sPorts
  /** Of the HTTPS server with the WebSocket. */
  readonly https: number
  /** Of a plain HTTP server with the same. */
  readonly http: number
  readonly bound: Session[]
  readonly closed: Session[]
  /** Stanzas as the floor above gets them. */
  readonly received: { readonly session: Session; readonly stanza: Element }[]
  stop(): Promise<void>
}

type Overrides = Partial<Omit<C2sOptions, 'listeners' | 'log'>> & {
  readonly mechanisms?: readonly Mechanism[]
}

export async function startC2s(overrides: Overrides = {}): Promise<TestC2s> {
  const bound: Session[] = []
  const closed: Session[] = []
  const received: { session: Session; stanza: Element }[] = []
  const tls = tlsMaterial()
  const https = createHttpsServer(tlsContextOptions(tls))
  const http = createHttpServer()
  const listener = { host: '127.0.0.1', port: 0, ...(overrides.mechanisms && { mechanisms: overrides.mechanisms }) }
  const options: Omit<C2sOptions, 'listeners'> = {
    domain: DOMAIN,
    isLocalDomain: (domain) => domain === DOMAIN,
    accounts: authenticator,
    tls,
    onBound: (session) => void bound.push(session),
    onStanza: (session, stanza) => void received.push({ session, stanza }),
    onClosed: (session) => void closed.push(session),
    log: silent,
    ...overrides,
  }
  const path = '/xmpp-websocket'
  const c2s = createC2s({
    ...options,
    listeners: { c2s: listener, tls: listener, plaintext: listener, websocket: { server: https, path } },
  })
  const lab = createC2s({ ...options, listeners: { websocket: { server: http, path } } })
  const ports = await c2s.listen()
  await lab.listen()
  return {
    c2s,
    ports,
    https: await listen(https),
    http: await listen(http),
    bound,
    closed,
    received,
    stop: async () => {
      await c2s.close()
      await lab.close()
      for (const server of [https, http]) {
        server.closeAllConnections()
        await new Promise((resolve) => server.close(resolve))
      }
    },
  }
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  // A server that listens on a port has an address with one.
  return (server.address() as AddressInfo).port
}

/** What all clients share: text that came, and waiting for more of it. */
export class Client {
  /** Everything received since the last `expect`. */
  seen = ''
  isClosed = false
  #wake: (() => void)[] = []
  #isNotifying = false
  readonly #write: (text: string) => void
  readonly #destroy: () => void

  constructor(write: (text: string) => void, destroy: () => void) {
    this.#write = write
    this.#destroy = destroy
  }

  send(text: string): this {
    this.#write(text)
    return this
  }

  /** Waits for the pattern, takes all up to its end, and gives its match. */
  async expect(pattern: RegExp | string): Promise<RegExpExecArray> {
    const regexp = typeof pattern === 'string' ? new RegExp(RegExp.escape(pattern), 'g') : pattern
    const found = await this.#until(() => {
      // A text is looked for in what is new: megabytes scanned anew with each piece of them take longer than the test may.
      const before = this.seen.length
      const match = regexp.exec(this.seen)
      if (!match && typeof pattern === 'string') regexp.lastIndex = Math.max(0, before - pattern.length)
      return match
    })
    this.seen = this.seen.slice(found.index + found[0].length)
    return found
  }

  /** Waits for the end of the connection and gives all that came before it. */
  async ended(): Promise<string> {
    await this.#until(() => this.isClosed || undefined)
    return this.seen
  }

  destroy(): void {
    this.#destroy()
  }

  got(text: string): void {
    this.seen += text
    this.#notify()
  }

  close(): void {
    this.isClosed = true
    this.#notify()
  }

  /** Once for all that came in one turn of the loop. */
  #notify(): void {
    if (this.#isNotifying) return
    this.#isNotifying = true
    setImmediate(() => {
      this.#isNotifying = false
      for (const wake of this.#wake.splice(0)) wake()
    })
  }

  async #until<T>(probe: () => T | undefined | null): Promise<T> {
    const deadline = Date.now() + WAIT_MS
    for (;;) {
      const found = probe()
      if (found !== undefined && found !== null) return found
      if (Date.now() >= deadline) throw new Error(`not within ${WAIT_MS} ms; seen: ${this.seen.slice(0, 2000)}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, deadline - Date.now())
        this.#wake.push(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }
}

export class TcpClient extends Client {
  socket: Socket

  constructor(socket: Socket) {
    super(
      (text) => void this.socket.write(text),
      () => void this.socket.destroy(),
    )
    this.socket = socket
    this.#listen(socket)
  }

  /** After <proceed/>. */
  async startTls(options: ConnectionOptions = {}): Promise<TLSSocket> {
    this.socket.removeAllListeners()
    const secured = tlsConnect({ socket: this.socket, servername: DOMAIN, ca: tlsMaterial().ca, ...options })
    await new Promise<void>((resolve, reject) => {
      secured.once('secureConnect', resolve)
      secured.once('error', reject)
    })
    secured.removeAllListeners('error')
    this.socket = secured
    this.seen = ''
    this.#listen(secured)
    return secured
  }

  #listen(socket: Socket): void {
    const decoder = new TextDecoder()
    socket.on('data', (chunk: Buffer) => this.got(decoder.decode(chunk, { stream: true })))
    socket.on('close', () => this.close())
    socket.on('error', () => undefined)
  }
}

export async function connectTcp(port: number | undefined): Promise<TcpClient> {
  if (port === undefined) throw new Error('no such listener')
  const socket = connect({ port, host: '127.0.0.1' })
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  })
  socket.removeAllListeners('error')
  return new TcpClient(socket)
}

export async function connectTls(
  port: number | undefined,
  alpn: readonly string[] = ['xmpp-client'],
  options: ConnectionOptions = {},
): Promise<TcpClient> {
  if (port === undefined) throw new Error('no such listener')
  const ALPNProtocols = [...alpn]
  const to = { port, host: '127.0.0.1', servername: DOMAIN, ca: tlsMaterial().ca, ALPNProtocols }
  const socket = tlsConnect({ ...to, ...options })
  await new Promise<void>((resolve, reject) => {
    socket.once('secureConnect', resolve)
    socket.once('error', reject)
  })
  socket.removeAllListeners('error')
  return new TcpClient(socket)
}

export class WebSocketClient extends Client {
  readonly websocket: WebSocket
  readonly frames: string[] = []
  closeCode = 0

  constructor(websocket: WebSocket) {
    super(
      (text) => this.websocket.send(text),
      () => this.websocket.terminate(),
    )
    this.websocket = websocket
    websocket.on('message', (data: Buffer) => {
      this.frames.push(data.toString())
      this.got(data.toString())
    })
    websocket.on('close', (code) => {
      this.closeCode = code
      this.close()
    })
    websocket.on('error', () => undefined)
  }
}

export async function connectWebSocket(
  url: string,
  protocols: readonly string[] = ['xmpp'],
  options: WebSocket.ClientOptions = { ca: tlsMaterial().ca },
): Promise<WebSocketClient> {
  const websocket = new WebSocket(url, [...protocols], options)
  const client = new WebSocketClient(websocket)
  await new Promise<void>((resolve, reject) => {
    websocket.once('open', resolve)
    websocket.once('error', reject)
  })
  return client
}

export function header(attributes = `to='${DOMAIN}' version='1.0'`): string {
  return `<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' ${attributes}>`
}

export const OPEN = `<open xmlns='urn:ietf:params:xml:ns:xmpp-framing' to='${DOMAIN}' version='1.0'/>`
export const STARTTLS = `<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>`

export function auth(mechanism: string, data: string): string {
  return `<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='${mechanism}'>${data}</auth>`
}

export function response(data: string): string {
  return `<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>${data}</response>`
}

export function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}

export function plain(user: string, password = PASSWORD, authzid = ''): string {
  return auth('PLAIN', base64(`${authzid}\0${user}\0${password}`))
}

export function bind(resource?: string): string {
  const inner = resource === undefined ? '' : `<resource>${resource}</resource>`
  return `<iq type='set' id='bind1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>${inner}</bind></iq>`
}

/** Over a stream whose features have come: PLAIN, then the resource. @returns the full JID */
export async function login(client: Client, user: string, resource?: string, open = header()): Promise<string> {
  client.send(plain(user))
  await client.expect('<success')
  client.send(open)
  await client.expect('</stream:features>')
  const framed = open === OPEN ? bind(resource).replace('<iq ', "<iq xmlns='jabber:client' ") : bind(resource)
  client.send(framed)
  const [, jid] = await client.expect(/<jid>([^<]+)<\/jid><\/bind><\/iq>/)
  if (jid === undefined) throw new Error('no address')
  return jid
}

/** Direct TLS, PLAIN, bound. */
export async function bindTls(server: TestC2s, user: string, resource?: string): Promise<TcpClient> {
  const client = await connectTls(server.ports.tls)
  client.send(header())
  await client.expect('</stream:features>')
  await login(client, user, resource)
  return client
}

export async function bindWebSocket(server: TestC2s, user: string, resource?: string): Promise<WebSocketClient> {
  const client = await connectWebSocket(`wss://127.0.0.1:${server.https}/xmpp-websocket`)
  client.send(OPEN)
  await client.expect('</stream:features>')
  await login(client, user, resource, OPEN)
  return client
}

/** The channel that a -PLUS mechanism is bound to, as the client sees it. */
export interface ClientBinding {
  readonly type: string
  readonly data: Buffer
}

/** What a client's own end of the TLS connection gives. RFC 9266 §2, RFC 5929 §4.1 for an ECDSA-SHA-256 certificate. */
export function clientBinding(socket: Socket, type: 'tls-exporter' | 'tls-server-end-point'): ClientBinding {
  if (!(socket instanceof TLSSocket)) throw new Error('no TLS')
  const data =
    type === 'tls-exporter'
      ? socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.alloc(0))
      : createHash('sha256').update(socket.getPeerCertificate().raw).digest()
  return { type, data }
}

/** The client's side of SCRAM, written from RFC 5802 §3 alone. */
export class ScramClient {
  readonly #hash: string
  readonly #bare: string
  readonly #header: string
  readonly #channel: Buffer
  #serverSignature = ''
  /** The server's first message, as it came. */
  serverFirst = ''

  /** @param binding  for -PLUS; a flag `y` or `n` otherwise. RFC 5802 §6 */
  constructor(mechanism: string, user: string, authzid = '', binding: ClientBinding | 'y' | 'n' = 'n') {
    this.#hash = mechanism.replace('SCRAM-SHA-', 'sha').replace('-PLUS', '')
    this.#bare = `n=${user},r=${randomBytes(18).toString('base64')}`
    const flag = typeof binding === 'string' ? binding : `p=${binding.type}`
    this.#header = `${flag},${authzid && `a=${authzid}`},`
    this.#channel = typeof binding === 'string' ? Buffer.alloc(0) : binding.data
  }

  first(): string {
    return base64(this.#header + this.#bare)
  }

  final(challenge: string, password = PASSWORD): string {
    const serverFirst = Buffer.from(challenge, 'base64').toString()
    this.serverFirst = serverFirst
    const values = new Map(serverFirst.split(',').map((part) => [part.slice(0, 1), part.slice(2)]))
    const salt = Buffer.from(values.get('s') ?? '', 'base64')
    const size = createHash(this.#hash).digest().length
    const salted = pbkdf2Sync(password, salt, Number(values.get('i')), size, this.#hash)
    const clientKey = this.#hmac(salted, 'Client Key')
    const storedKey = createHash(this.#hash).update(clientKey).digest()
    const channel = Buffer.concat([Buffer.from(this.#header), this.#channel]).toString('base64')
    const withoutProof = `c=${channel},r=${values.get('r')}`
    const message = `${this.#bare},${serverFirst},${withoutProof}`
    const signature = this.#hmac(storedKey, message)
    const proof = Buffer.from(clientKey.map((byte, at) => byte ^ (signature[at] ?? 0)))
    this.#serverSignature = this.#hmac(this.#hmac(salted, 'Server Key'), message).toString('base64')
    return base64(`${withoutProof},p=${proof.toString('base64')}`)
  }

  isServer(success: string): boolean {
    return Buffer.from(success, 'base64').toString() === `v=${this.#serverSignature}`
  }

  #hmac(key: Buffer, text: string): Buffer {
    return createHmac(this.#hash, key).update(text).digest()
  }
}

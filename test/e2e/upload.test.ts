/** File upload over the wire: slots by IQ, files by HTTPS with Node's own client. XEP-0363. */

import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { callControl } from '../../server/control.ts'
import { Connection, show } from '../support/scenario/connection.ts'
import { runSacm, startServer, type TestServer } from '../support/server.ts'
import { needTool } from '../support/tools.ts'
import { connectTcp } from '../unit/stream/harness.ts'

const PASSWORD = 'correct horse'
const NS = 'urn:xmpp:http:upload:0'
const PURPOSE = 'urn:xmpp:http:upload:purpose:0'
const SET = {
  'upload.fileMaxBytes': '100000',
  'upload.accountMaxBytes': '150000',
  'upload.accountMaxFiles': '20',
  'upload.totalMaxBytes': '400000',
  'upload.uploadsMax': '1',
  'upload.sweepSeconds': '1',
}
let server: TestServer
const open: Connection[] = []
let users = 0

beforeAll(async () => {
  server = await startServer({ domain: 'test', set: SET })
})
afterAll(async () => {
  expect(await server.stop()).toBe(0)
})
afterEach(async () => {
  for (const each of open.splice(0)) each.destroy()
  // Each test has the server's room to itself.
  for (let user = 1; user <= users; user++)
    await callControl(server.dataDir, 'user.remove', { jid: `u${user}@test` }).catch(() => {})
  await expect.poll(() => stored(), { interval: 5 }).toEqual([])
})

function stored(at = server): string[] {
  return readdirSync(join(at.dataDir, 'upload'))
}

/** A new account's session. */
async function login(at = server): Promise<Connection> {
  const user = `u${++users}`
  await at.addUser(`${user}@test`, PASSWORD)
  const connection = await Connection.open(at, 'tcp')
  open.push(connection)
  await connection.login(user, PASSWORD, 'desk')
  return connection
}

async function ask(connection: Connection, payload: string): Promise<string> {
  connection.send(`<iq type='get' id='1' to='upload.test'>${payload}</iq>`)
  return show(await connection.next())
}

function slotRequest(attributes: string, content = ''): string {
  return `<request xmlns='${NS}' ${attributes}>${content}</request>`
}

async function slot(connection: Connection, attributes: string, content = ''): Promise<URL> {
  const answer = await ask(connection, slotRequest(attributes, content))
  const [, put = ''] = /<put [^>]*url="([^"]+)"/.exec(answer) ?? []
  expect(answer).toContain(` url="${put}"/></slot>`)
  return new URL(put)
}

interface Answer {
  readonly status: number | undefined
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

function http(method: string, url: URL, body?: Buffer | string, headers: OutgoingHttpHeaders = {}, at = server) {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  const out = request(
    {
      host: at.host,
      port: at.ports.https,
      servername: 'test',
      ca: readFileSync(at.caFile),
      path: url.pathname,
      method,
      headers: { ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }), ...headers },
      agent: false,
    },
    (response) => {
      buffer(response).then(
        (all) => resolve({ status: response.statusCode, headers: response.headers, body: all }),
        reject,
      )
    },
  )
  out.on('error', reject)
  out.end(body)
  return promise
}

const sha256 = (data: Buffer | string) => createHash('sha256').update(data).digest('base64')

describe('XEP-0363 §3  the service', () => {
  test('is found, and says what it takes', async () => {
    const client = await login()
    client.send("<iq type='get' id='1' to='test'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>")
    expect(show(await client.next())).toContain(' jid="upload.test"')
    const info = await ask(client, "<query xmlns='http://jabber.org/protocol/disco#info'/>")
    expect(info).toMatch(/category="store" type="file"/)
    for (const feature of [NS, `${PURPOSE}#message`, `${PURPOSE}#ephemeral`])
      expect(info).toContain(` var="${feature}"`)
    expect(info).not.toContain('#permanent')
    expect(info).toMatch(/ var="max-file-size"><value[^>]*>100000<\/value>/)
  })
})

describe('XEP-0363 §4, §7  a file', () => {
  test('is sent to its slot and handed out to whoever knows the address', async () => {
    const client = await login()
    const data = randomBytes(50_000)
    const url = await slot(client, "filename='très cool.jpg' size='50000' content-type='image/jpeg'")
    expect(url.origin).toBe(`https://test:${server.ports.https}`)
    expect(url.pathname).toMatch(/^\/upload\/[\w-]{32}\/tr%C3%A8s%20cool\.jpg$/)
    expect((await http('GET', url)).status).toBe(404)
    const put = await http('PUT', url, data, { 'content-type': 'image/jpeg' })
    expect(put).toMatchObject({ status: 201, headers: { 'repr-digest': `sha-256=:${sha256(data)}:` } })
    const got = await http('GET', url)
    expect(got.status).toBe(200)
    expect(got.body.equals(data)).toBe(true)
    expect(got.headers).toMatchObject({
      'content-type': 'image/jpeg',
      'content-length': '50000',
      'content-disposition': "attachment; filename*=UTF-8''tr%C3%A8s%20cool.jpg",
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
      'x-content-type-options': 'nosniff',
      'access-control-allow-origin': '*',
      'repr-digest': `sha-256=:${sha256(data)}:`,
      etag: `"${sha256(data)}"`,
    })
    const head = await http('HEAD', url)
    expect(head).toMatchObject({ status: 200, headers: { 'content-length': '50000' } })
    expect(head.body.length).toBe(0)
    expect(await http('GET', url, undefined, { 'if-none-match': `"${sha256(data)}"` })).toMatchObject({ status: 304 })
    expect((await http('PUT', url, data)).status).toBe(409)
    expect((await http('GET', new URL(`${url.href}.html`))).status).toBe(404)
    expect(stored()).toHaveLength(1)
  })

  test.each(['text/html', 'image/svg+xml', 'application/xhtml+xml', 'text/javascript', 'application/pdf'])(
    'of type %s is handed out as octets',
    async (type) => {
      const client = await login()
      const url = await slot(client, `filename='x.html' size='8' content-type='${type}; charset=utf-8'`)
      expect((await http('PUT', url, '<script>', { 'content-type': type })).status).toBe(201)
      expect((await http('GET', url)).headers).toMatchObject({
        'content-type': 'application/octet-stream',
        'x-content-type-options': 'nosniff',
      })
    },
  )

  test('takes the type it is sent with when the slot has none, and names of every kind', async () => {
    const client = await login()
    const url = await slot(client, "filename='../../etc/passwd' size='3'")
    expect(url.pathname).toMatch(/\/\.\._\.\._etc_passwd$/)
    expect((await http('PUT', url, 'abc', { 'content-type': 'Text/Plain; charset=utf-8' })).status).toBe(201)
    expect((await http('GET', url)).headers['content-type']).toBe('text/plain')
    const dots = await slot(client, "filename='..' size='0'")
    expect((await http('PUT', dots, '')).status).toBe(201)
    expect(await http('GET', dots)).toMatchObject({ status: 200, headers: { 'content-length': '0' } })
    const quotes = await slot(client, "filename='a&quot;;b&apos;(c)*.txt' size='1'")
    expect((await http('PUT', quotes, 'x')).status).toBe(201)
    expect((await http('GET', quotes)).headers['content-disposition']).toBe(
      "attachment; filename*=UTF-8''a%22%3Bb%27%28c%29%2A.txt",
    )
  })

  test('is refused with another size, type or hash, without a length, and cut off; the slot is still there', async () => {
    const client = await login()
    const url = await slot(client, "filename='a.png' size='10' content-type='image/png'")
    const png = { 'content-type': 'image/png' }
    expect(await http('PUT', url, 'x'.repeat(9), png)).toMatchObject({ status: 400, headers: { connection: 'close' } })
    expect((await http('PUT', url, 'x'.repeat(11), png)).status).toBe(400)
    expect((await http('PUT', url, 'x'.repeat(100_001), png)).status).toBe(413)
    expect((await http('PUT', url, 'x'.repeat(10), { 'content-type': 'text/html' })).status).toBe(415)
    expect((await http('PUT', url, undefined, { ...png, 'transfer-encoding': 'chunked' })).status).toBe(411)
    expect((await http('PUT', url, 'x'.repeat(10), { ...png, 'repr-digest': `sha-256=:${sha256('y')}:` })).status).toBe(
      400,
    )
    await cutOff(url)
    expect((await http('GET', url)).status).toBe(404)
    const right = { ...png, 'content-digest': `sha-256=:${sha256('x'.repeat(10))}:` }
    await expect.poll(async () => (await http('PUT', url, 'x'.repeat(10), right)).status, { interval: 5 }).toBe(201)
  })

  test('is refused while it is being sent, or too many others are', async () => {
    const client = await login()
    const url = await slot(client, "filename='a.png' size='10' content-type='image/png'")
    const other = await slot(client, "filename='b' size='1'")
    await cutOff(url, async () => {
      expect((await http('PUT', url, 'x'.repeat(10), { 'content-type': 'image/png' })).status).toBe(409)
      expect((await http('PUT', other, 'x')).status).toBe(503)
    })
    await expect.poll(async () => (await http('PUT', other, 'x')).status, { interval: 5 }).toBe(201)
  })

  test('has no slot that was not given out', async () => {
    for (const path of [`/upload/${'a'.repeat(32)}/x`, '/upload/../upload/x', '/upload/%2e%2e/sacm.sqlite']) {
      const url = new URL(path, 'https://test')
      expect((await http('PUT', url, 'x')).status).toBe(404)
      expect((await http('GET', url)).status).toBe(404)
    }
  })

  test('may be sent by pages of other origins', async () => {
    const url = await slot(await login(), "filename='a' size='1'")
    const preflight = await http('OPTIONS', url, undefined, {
      origin: 'https://page.example',
      'access-control-request-method': 'PUT',
    })
    expect(preflight).toMatchObject({ status: 204, headers: { 'access-control-allow-methods': 'PUT, GET' } })
  })
})

/** Half of the file, what is asked meanwhile, and the end of the connection. */
async function cutOff(url: URL, meanwhile = async () => {}): Promise<void> {
  const out = request({
    host: server.host,
    port: server.ports.https,
    servername: 'test',
    ca: readFileSync(server.caFile),
    path: url.pathname,
    method: 'PUT',
    headers: { 'content-length': 10, 'content-type': 'image/png' },
    agent: false,
  })
  const closed = new Promise((resolve) => out.once('close', resolve).once('error', () => {}))
  out.write('xxxxx')
  await expect.poll(() => stored().some((name) => name.endsWith('.part')), { interval: 5 }).toBe(true)
  await meanwhile()
  out.destroy()
  await closed
  await expect.poll(() => stored(), { interval: 5 }).toEqual([])
}

describe('XEP-0363 §6  errors', () => {
  test.each([
    ["size='1'", ''],
    ["filename='' size='1'", ''],
    [`filename='${'ä'.repeat(128)}' size='1'`, ''],
    ["filename='x'", ''],
    ["filename='x' size='-1'", ''],
    ["filename='x' size='1.5'", ''],
    ["filename='x' size='1' content-type='a b'", ''],
    ["filename='x' size='1'", `<ephemeral xmlns='${PURPOSE}'/>`],
    ["filename='x' size='1'", `<ephemeral xmlns='${PURPOSE}' expire-before='2001-01-01T00:00:00Z'/>`],
  ])('bad-request for %s %s', async (attributes, content) => {
    const answer = await ask(await login(), slotRequest(attributes, content))
    expect(answer).toMatch(new RegExp(`<request xmlns="${NS}".*<error type="modify"><bad-request `))
  })

  test('not-acceptable with file-too-large', async () => {
    const answer = await ask(await login(), slotRequest("filename='x' size='100001'"))
    expect(answer).toMatch(/<request [^>]*size="100001".*<error type="modify"><not-acceptable /)
    expect(answer).toMatch(/<file-too-large xmlns="urn:xmpp:http:upload:0"><max-file-size[^>]*>100000<\/max-file-size>/)
  })

  test('feature-not-implemented for a purpose that is not advertised', async () => {
    const answer = await ask(await login(), slotRequest("filename='x' size='1'", `<permanent xmlns='${PURPOSE}'/>`))
    expect(answer).toMatch(/<error type="cancel"><feature-not-implemented /)
  })

  test('resource-constraint with retry when account or server have no room, slots included', async () => {
    const full =
      /<error type="wait"><resource-constraint .*<retry xmlns="urn:xmpp:http:upload:0" stamp="[\d-]+T[\d:.]+Z"\/>/
    const client = await login()
    await slot(client, "filename='x' size='100000'")
    expect(await ask(client, slotRequest("filename='y' size='50001'"))).toMatch(full)
    await slot(client, "filename='y' size='50000'")
    const second = await login()
    for (let file = 0; file < 20; file++) await slot(second, `filename='${file}' size='1'`)
    expect(await ask(second, slotRequest("filename='x' size='1'"))).toMatch(full)
    const third = await login()
    for (const size of [100_000, 50_000]) await slot(third, `filename='x' size='${size}'`)
    expect(await ask(await login(), slotRequest("filename='x' size='100000'"))).toMatch(full)
  })

  test('forbidden for others than this server’s accounts', async () => {
    const at = await startServer({ domain: 'test', set: { 'component.port': '0' } })
    try {
      await callControl(at.dataDir, 'component.add', { domain: 'other.example', secret: 'a long secret' })
      const component = await connectTcp(at.ports.component)
      component.send(
        "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='other.example'>",
      )
      const [, id = ''] = await component.expect(/ id="([^"]+)">/)
      component.send(`<handshake>${createHash('sha1').update(`${id}a long secret`).digest('hex')}</handshake>`)
      component.send(
        `<iq type='get' id='1' from='other.example' to='upload.test'>${slotRequest("filename='x' size='1'")}</iq>`,
      )
      await component.expect(/<error type="auth"><forbidden /)
      component.destroy()
    } finally {
      await at.stop()
    }
  })
})

describe('the end of a file', () => {
  test('§5.3  comes at the time that its owner set', async () => {
    const client = await login()
    const ends = new Date(Date.now() + 3000).toISOString()
    const url = await slot(client, "filename='x' size='1'", `<ephemeral xmlns='${PURPOSE}' expire-before='${ends}'/>`)
    expect((await http('PUT', url, 'x')).status).toBe(201)
    expect((await http('GET', url)).headers['cache-control']).toMatch(/^private, max-age=[0-2], immutable$/)
    await expect.poll(() => stored(), { timeout: 10_000, interval: 50 }).toEqual([])
    expect((await http('GET', url)).status).toBe(404)
  })

  test('comes with its account', async () => {
    const client = await login()
    const url = await slot(client, "filename='x' size='1'")
    expect((await http('PUT', url, 'x')).status).toBe(201)
    await callControl(server.dataDir, 'user.remove', { jid: `u${users}@test` })
    await expect.poll(() => stored(), { interval: 5 }).toEqual([])
    expect((await http('GET', url)).status).toBe(404)
  })

  test('does not come with a restart; what a crash left over goes, and what accounts did that were removed meanwhile', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'sacm-upload-'))
    mkdirSync(join(folder, 'upload'))
    try {
      const options = { domain: 'test', dataDir: folder, set: { 'upload.slotSeconds': '2' } }
      const first = await startServer(options)
      const client = await login(first)
      const [kept, late] = [await slot(client, "filename='x' size='5'"), await slot(client, "filename='y' size='1'")]
      expect((await http('PUT', kept, 'whole', {}, first)).status).toBe(201)
      const gone = await slot(await login(first), "filename='z' size='1'")
      expect((await http('PUT', gone, 'z', {}, first)).status).toBe(201)
      await first.kill()
      await runSacm(['user', 'remove', `u${users}`, '--data-dir', folder, '--domain', 'test'])
      for (const name of ['left-over', 'half.part']) writeFileSync(join(folder, 'upload', name), 'x')
      const second = await startServer(options)
      try {
        expect(stored(second)).toHaveLength(1)
        expect((await http('GET', kept, undefined, {}, second)).body.toString()).toBe('whole')
        // A slot has its time.
        await expect
          .poll(async () => (await http('PUT', late, 'too long', {}, second)).status, { timeout: 10_000, interval: 50 })
          .toBe(404)
      } finally {
        await second.stop()
      }
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

test('XEP-0363 §7  a disk without room answers 507 to a client that sends all it has, and keeps nothing', async (context) => {
  needTool(context, ['prlimit', '--version'], 'apt-get install util-linux')
  const full = await startServer({ domain: 'test' })
  try {
    const client = await login(full)
    const big = 12_000_000
    const url = await slot(client, `filename='a' size='${big}'`)
    // No file of the server's may grow beyond this: as on a disk that is full, or a quota that is used up.
    execFileSync('prlimit', ['--pid', String(full.pid), '--fsize=8000000:'])
    const answer = await http('PUT', url, Buffer.alloc(big), {}, full)
    expect(answer).toMatchObject({ status: 507, body: Buffer.from('There is no room for the file.\n') })
    expect(stored(full)).toEqual([])
    expect(full.log()).toContain('upload_disk_full')
    execFileSync('prlimit', ['--pid', String(full.pid), '--fsize=unlimited:'])
    // The slot is as good as it was.
    expect((await http('PUT', url, Buffer.alloc(big), {}, full)).status).toBe(201)
  } finally {
    expect(await full.stop()).toBe(0)
  }
})

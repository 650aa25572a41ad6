/** Debian's Chromium, trusting our authority as its user would make it, in a page that is not ours. XEP-0156, RFC 7395. */

import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startServer, type TestServer } from '../support/server.ts'
import { needTool } from '../support/tools.ts'

const PASSWORD = 'correct horse battery staple'
const CHROMIUM = '/usr/bin/chromium'
const WAIT_MS = 30_000
/** A browser of its own, which asks nobody on the net for anything. No sandbox: the tests may run as root. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
const PARTS: ReadonlyMap<string, readonly [type: string, body: Buffer | string]> = new Map([
  ['/', ['text/html', '<!doctype html><title>strophe.js</title><script type="module" src="client.js"></script>']],
  ['/client.js', ['text/javascript', readFileSync(join(import.meta.dirname, 'clients', 'browser.js'))]],
  [
    '/strophe.js',
    ['text/javascript', readFileSync(join(import.meta.dirname, '../../node_modules/strophe.js/dist/strophe.esm.js'))],
  ],
])
let server: TestServer
let pages: Server
let home: string

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'sacm-browser-'))
  server = await startServer()
  pages = createServer((request, response) => {
    const part = PARTS.get(request.url ?? '')
    response.writeHead(part ? 200 : 404, { 'content-type': `${part?.[0] ?? 'text/plain'}; charset=utf-8` })
    response.end(part?.[1])
  })
  await new Promise<void>((resolve) => pages.listen(0, '127.0.0.1', resolve))
})
afterAll(async () => {
  pages.closeAllConnections()
  pages.close()
  await server.stop()
  rmSync(home, { recursive: true, force: true, maxRetries: 5 })
})

/** What the page left behind. */
interface Outcome {
  readonly error?: string
  readonly jid: string
}

async function visit(address: string): Promise<Outcome> {
  const context = await chromium.launchPersistentContext(join(home, 'profile'), {
    executablePath: CHROMIUM,
    headless: true,
    args: FLAGS,
    env: { ...process.env, HOME: home },
    timeout: WAIT_MS,
  })
  try {
    const page = await context.newPage()
    const faults: string[] = []
    page.on('pageerror', (error) => faults.push(String(error)))
    page.on('console', (message) => faults.push(message.text()))
    await page.goto(address, { timeout: WAIT_MS })
    const left = await page
      .waitForFunction('globalThis.outcome', undefined, { timeout: WAIT_MS })
      .catch((error: unknown) => {
        throw new Error(`the page came to nothing: ${faults.join('\n')}`, { cause: error })
      })
    // Its shape is our own script's.
    return (await left.jsonValue()) as Outcome
  } finally {
    await context.close()
  }
}

describe('Chromium with strophe.js', () => {
  test('finds the WebSocket through host-meta, connects, publishes and is notified', async (context) => {
    needTool(context, [CHROMIUM, '--version'], 'apt-get install chromium')
    needTool(context, ['certutil', '-N', '--empty-password', '-d', newFolder('probe')], 'apt-get install libnss3-tools')
    const store = `sql:${newFolder('.pki/nssdb')}`
    execFileSync('certutil', ['-N', '--empty-password', '-d', store])
    await server.addUser(`browser@${server.domain}`, PASSWORD, ['publisher'])
    // 127.0.0.1, so that the page is of another origin and site than the server it speaks to.
    const address = pages.address()
    const port = typeof address === 'object' ? address?.port : undefined
    const who = new URLSearchParams({
      host: `localhost:${server.ports.https}`,
      domain: server.domain,
      username: 'browser',
      password: PASSWORD,
    })
    const page = `http://127.0.0.1:${port}/#${who.toString()}`
    expect(await visit(page)).toEqual({ error: 'TypeError: Failed to fetch' }) // a stranger's certificate
    execFileSync('certutil', ['-A', '-n', 'sacm', '-t', 'C,,', '-i', server.caFile, '-d', store])
    const outcome = await visit(page)
    const service = `wss://localhost:${server.ports.https}/xmpp-websocket`
    expect(outcome).toMatchObject({
      service,
      same: service,
      services: expect.arrayContaining([`pubsub.${server.domain}`, `sacm.${server.domain}`]),
      event: 'PUBSUB one grüße & <more>',
      retrieved: 'grüße & <more>',
    })
    expect(outcome.jid).toContain(`browser@${server.domain}/`)
    expect(server.log()).toMatch(/"sasl_succeeded".*"SCRAM-SHA-512","account":"browser@/)
  })
})

function newFolder(name: string): string {
  const folder = join(home, name)
  mkdirSync(folder, { recursive: true })
  return folder
}

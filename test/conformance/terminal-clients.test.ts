/** Programs that others wrote for a terminal: profanity (libstrophe) and go-sendxmpp (go-xmpp) talk to each other. */

import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { type Program, startProgram } from '../support/program.ts'
import { startServer, type TestServer } from '../support/server.ts'
import { needTool } from '../support/tools.ts'

const PASSWORD = 'correct horse battery staple'
const ENTER = '\r'
let server: TestServer
let home: string
const programs: Program[] = []

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), 'sacm-terminal-'))
  server = await startServer()
})
afterEach(async () => {
  await Promise.all(programs.splice(0).map((program) => program.stop()))
})
afterAll(async () => {
  await server.stop()
  rmSync(home, { recursive: true, force: true })
})

function start(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Program {
  const program = startProgram(command, args, { HOME: home, TERM: 'xterm', LC_ALL: 'C.UTF-8', ...env })
  programs.push(program)
  return program
}

function goSendxmpp(user: string, ...args: string[]): Program {
  const account = ['-u', `${user}@${server.domain}`, '-p', PASSWORD]
  return start('go-sendxmpp', [...account, ...args], { SSL_CERT_FILE: server.caFile })
}

/** Sends one message and waits until it has ended well. */
async function say(user: string, to: string, text: string, ...args: string[]): Promise<void> {
  const program = goSendxmpp(user, ...args, `${to}@${server.domain}`)
  program.write(text)
  program.endInput()
  expect(await program.ended()).toBe(0)
}

/** In its own folders, with an account made and our authority as the system's. */
function profanity(user: string): Program {
  const [config, data, trust] = ['config', 'data', 'trust'].map((name) => join(home, name)) as [string, string, string]
  for (const folder of [join(config, 'profanity'), join(data, 'profanity'), trust]) {
    mkdirSync(folder, { recursive: true })
  }
  copyFileSync(server.caFile, join(trust, 'ca.pem'))
  execFileSync('openssl', ['rehash', trust])
  writeFileSync(join(config, 'profanity', 'profrc'), `[connection]\ntls.certpath=${trust}\n`)
  writeFileSync(
    join(data, 'profanity', 'accounts'),
    `[${user}]\nenabled=true\njid=${user}@${server.domain}\nserver=localhost\nport=${server.ports.c2s}\n` +
      `resource=terminal\npassword=${PASSWORD}\npresence.last=online\npresence.login=online\n`,
  )
  // It needs a terminal.
  return start('script', ['-qec', `profanity -a ${user} -f ${join(home, 'profanity.log')}`, '/dev/null'], {
    XDG_CONFIG_HOME: config,
    XDG_DATA_HOME: data,
  })
}

describe('go-sendxmpp', () => {
  test('PLAIN over STARTTLS and direct TLS: sends, and hears what was kept for it', async (context) => {
    needTool(context, ['go-sendxmpp', '--version'], 'apt-get install go-sendxmpp')
    await server.addUser(`gopher@${server.domain}`, PASSWORD)
    await server.addUser(`burrow@${server.domain}`, PASSWORD)
    await say('gopher', 'burrow', 'through the garden', '-j', `localhost:${server.ports.c2s}`)
    await say('gopher', 'burrow', 'in by the door', '-t', '-j', `localhost:${server.ports.tls}`)
    const listener = goSendxmpp('burrow', '-l', '-j', `localhost:${server.ports.c2s}`)
    await listener.until(/gopher@localhost.*: through the garden.*gopher@localhost.*: in by the door/s)
    await say('gopher', 'burrow', 'face to face', '-j', `localhost:${server.ports.c2s}`)
    await listener.until(/face to face/)
    expect(server.log()).toMatch(/"sasl_succeeded".*"PLAIN","account":"gopher@/)
  })
})

describe('profanity', () => {
  test('SCRAM over STARTTLS: chats with go-sendxmpp', async (context) => {
    needTool(context, ['profanity', '--version'], 'apt-get install profanity')
    needTool(context, ['go-sendxmpp', '--version'], 'apt-get install go-sendxmpp')
    needTool(context, ['script', '--version'], 'apt-get install bsdutils')
    await server.addUser(`gordon@${server.domain}`, PASSWORD)
    await server.addUser(`prof@${server.domain}`, PASSWORD)
    const listener = goSendxmpp('gordon', '-l', '-j', `localhost:${server.ports.c2s}`)
    const chat = profanity('prof')
    await chat.until(/logged in successfully/)
    chat.write(`/msg gordon@${server.domain} from a terminal${ENTER}`)
    await listener.until(/prof@localhost.*: from a terminal/)
    await say('gordon', 'prof', 'heard you', '-j', `localhost:${server.ports.c2s}`)
    await chat.until(/heard you/)
    chat.write(`/quit${ENTER}`)
    expect(await chat.ended()).toBe(0)
    expect(server.log()).toMatch(/"sasl_succeeded".*"SCRAM-SHA-512","account":"prof@/)
    expect(server.log()).toContain(`"jid":"prof@${server.domain}/terminal"`)
  })
})

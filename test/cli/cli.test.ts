/** The command line as scripts use it: exit codes, JSON, errors with the way out, secrets kept out of sight. */

import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ensureCa } from '../../certs/ca.ts'
import { issueServerCertificate } from '../../certs/issue.ts'
import { SACM, startServer } from '../support/server.ts'

let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sacm-cli-'))
})
afterAll(() => {
  rmSync(folder, { recursive: true, force: true })
})

interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs one command to its end. */
function sacm(
  args: readonly string[],
  options: { readonly env?: NodeJS.ProcessEnv; readonly input?: string; readonly program?: string } = {},
): Promise<Ended> {
  const child = spawn(process.execPath, [options.program ?? SACM, ...args], {
    cwd: folder,
    env: { ...process.env, ...options.env },
    timeout: 60_000,
  })
  child.stdin.end(options.input ?? '')
  const output = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      output[stream] += text
    })
  }
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, ...output })))
}

const at = (name: string): readonly string[] => ['--data-dir', join(folder, name), '--domain', 'lab']

test('whichever way it is started, Node is given the same options', () => {
  const root = join(import.meta.dirname, '../..')
  const firstLine = (file: string) => readFileSync(file, 'utf8').split('\n', 1)[0]
  const options = /^#!.* node (.+)/.exec(firstLine(SACM) ?? '')?.[1]
  expect(options).toMatch(/^--max-semi-space-size=\d+$/)
  expect(firstLine(join(root, 'clients/cli/sacm.mjs'))).toBe(firstLine(SACM))
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Record<string, unknown>
  const start = `node ${options} clients/cli/sacm.mjs`
  expect(scripts).toMatchObject({ sacm: start, demo: `${start} demo` })
})

describe('compiled code kept by the build', () => {
  async function tell(program: string, args = ['version']): Promise<Ended> {
    const preload = join(import.meta.dirname, '../support/tell-compiled.cjs')
    return await sacm(args, { env: { NODE_OPTIONS: `--require ${preload}` }, program })
  }

  test('the server has a text of its own, and says of itself what the list of commands does', async () => {
    const { stdout, stderr } = await tell(SACM, ['serve', '--help'])
    expect(stderr).toBe('serve.cjs: kept true, refused false\n')
    expect(stdout).toBe((await sacm(['help', 'serve'])).stdout)
  })

  test('is taken; what is damaged, cut or of another text is not', async () => {
    expect(await tell(SACM)).toMatchObject({ code: 0, stderr: 'main.cjs: kept true, refused false\n' })
    const other = join(folder, 'bundle')
    cpSync(dirname(SACM), other, { recursive: true })
    const file = join(other, 'main.cjs.compiled')
    const whole = readFileSync(file)
    const damaged = Buffer.from(whole)
    // Somewhere within.
    damaged.writeUInt8((damaged.at(50_000) ?? 0) ^ 1, 50_000)
    for (const content of [damaged, whole.subarray(0, 50_000), Buffer.alloc(0)]) {
      writeFileSync(file, content)
      expect(await tell(join(other, 'sacm.js'))).toMatchObject({
        code: 0,
        stderr: 'main.cjs: kept false, refused undefined\n',
      })
    }
    writeFileSync(file, whole)
    const text = readFileSync(join(other, 'main.cjs'), 'latin1')
    writeFileSync(join(other, 'main.cjs'), text.replace('SACM repository', 'sacm repository'))
    expect(await tell(join(other, 'sacm.js'))).toMatchObject({
      code: 0,
      stderr: 'main.cjs: kept false, refused undefined\n',
    })
  })
})

describe('help and misuse', () => {
  test('every command explains itself', async () => {
    const { code, stdout } = await sacm(['--help'])
    expect(code).toBe(0)
    const commands = [
      'serve',
      'demo',
      'user',
      'role',
      'cert',
      'collector',
      'evaluator',
      'orchestrator',
      'repo',
      'backup',
      'restore',
      'config',
      'version',
    ]
    for (const command of commands) expect(stdout).toMatch(new RegExp(`^  ${command} `, 'm'))
    const helps = await Promise.all(commands.map((command) => sacm([command, '--help'])))
    expect(helps.map((help) => help.code)).toEqual(commands.map(() => 0))
  })

  test.each([
    ['an unknown command', ['serv'], /Did you mean serve/],
    ['an unknown option', ['version', '--jsn'], /Did you mean --json/],
    ['an option that does not exist', ['config', '--set', 'limits.stanzaByte=1'], /limits\.stanzaBytes|sacm config/],
    ['a value out of bounds', ['config', '--set', 'limits.stanzaBytes=1'], /limits\.stanzaBytes = "1": .*>=10000/],
    ['a missing account', ['repo', 'endpoints'], /--jid/],
    [
      'an address that is none',
      ['repo', 'endpoints', '--jid', '@lab', '--password-file', '/dev/null'],
      /not an address/,
    ],
  ])('%s is exit code 2 and says the way out', async (_, args, text) => {
    const { code, stderr } = await sacm(args)
    expect(stderr).toMatch(text)
    expect(code).toBe(2)
  })

  test('a server that is not there is exit code 3', async () => {
    writeFileSync(join(folder, 'password'), 'secret\n')
    const args = [
      'repo',
      'endpoints',
      '--jid',
      'a@lab',
      '--password-file',
      'password',
      '--host',
      '127.0.0.1',
      '--port',
      '1',
    ]
    const { code, stderr } = await sacm(args)
    expect(stderr).toContain('nothing listens at 127.0.0.1:1')
    expect(code).toBe(3)
  })
})

describe('configuration', () => {
  test('comes from defaults, file, environment and flags, later ones winning, and says which', async () => {
    writeFileSync(join(folder, 'my.toml'), 'domain = "from.file"\n[limits]\nstanzaBytes = 300000\ndepth = 70\n')
    const { code, stdout } = await sacm(['config', '--json', '--config', 'my.toml', '--set', 'limits.depth=80'], {
      env: { SACM_LIMITS_STANZA_BYTES: '400000' },
    })
    expect(code).toBe(0)
    const settings = JSON.parse(stdout) as { name: string; value: unknown; source: string }[]
    const of = (name: string) =>
      settings.filter((setting) => setting.name === name).map(({ value, source }) => [value, source])[0]
    expect(of('domain')).toEqual(['from.file', 'file'])
    expect(of('limits.stanzaBytes')).toEqual([400_000, 'environment'])
    expect(of('limits.depth')).toEqual([80, 'flag'])
    expect(of('limits.attributes')).toEqual([64, 'default'])
  })

  test('a fault in the file is told with its place', async () => {
    writeFileSync(join(folder, 'bad.toml'), 'domain = "lab"\nhost = = 1\n')
    const { code, stderr } = await sacm(['config', '--config', 'bad.toml'])
    expect(stderr).toMatch(/bad\.toml:2:\d+/)
    expect(code).toBe(2)
  })
})

describe('accounts', () => {
  test('are made, listed, changed and removed without a server; passwords come by stdin', async () => {
    const add = await sacm(
      ['user', 'add', 'alice@lab', '--role', 'consumer:label=web', '--password-stdin', ...at('users')],
      { input: 'pw one\n' },
    )
    expect(add).toMatchObject({ code: 0, stdout: 'added alice@lab\n' })
    expect((await sacm(['role', 'grant', 'alice', 'evaluator', ...at('users')])).code).toBe(0)
    const list = await sacm(['user', 'list', '--json', ...at('users')])
    expect(JSON.parse(list.stdout)).toEqual([
      { jid: 'admin@lab', roles: ['admin:any'], sessions: 0 },
      { jid: 'alice@lab', roles: ['consumer:label=web', 'evaluator:any'], sessions: 0 },
    ])
    expect((await sacm(['role', 'revoke', 'alice', 'consumer', ...at('users')])).code).toBe(0)
    expect((await sacm(['user', 'remove', 'alice@lab', ...at('users')])).code).toBe(0)
    expect(await sacm(['user', 'remove', 'alice@lab', ...at('users')])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('there is no account'),
    })
  })

  test('XEP-0106  are named as people write them', async () => {
    const add = ['user', 'add', "d'artagnan@lab", '--password', 'x', ...at('escaped')]
    expect(await sacm(add)).toMatchObject({ code: 0, stdout: 'added d\\27artagnan@lab\n' })
    expect(await sacm(['user', 'add', 'space cadet', '--password', 'x', ...at('escaped')])).toMatchObject({
      stdout: 'added space\\20cadet@lab\n',
    })
    expect((await sacm(['user', 'remove', "d'artagnan", ...at('escaped')])).code).toBe(0)
    expect((await sacm(['user', 'add', ' x', '--password', 'x', ...at('escaped')])).stderr).toMatch(/not an address/)
  })

  test.each([
    ['another domain', ['user', 'add', 'a@elsewhere', '--password', 'x'], 1, /not this server's domain/],
    ['a role that is none', ['user', 'add', 'a', '--password', 'x', '--role', 'root'], 1, /the roles are orchestrator/],
    ['no password', ['user', 'add', 'a'], 2, /--password-stdin/],
    ['two passwords', ['user', 'add', 'a', '--password', 'x', '--password-stdin'], 2, /one way only/],
  ])('%s is refused in words', async (_, args, code, text) => {
    const ended = await sacm([...args, ...at('refused')])
    expect(ended.stderr).toMatch(text)
    expect(ended.code).toBe(code)
  })

  test('go to the running server, which ends the sessions they concern', async () => {
    const server = await startServer({ dataDir: join(folder, 'running'), domain: 'lab' })
    try {
      expect(await sacm(['user', 'add', 'bob@lab', '--password', 'x', ...at('running')])).toMatchObject({ code: 0 })
      const list = await sacm(['user', 'list', '--json', ...at('running')])
      expect(JSON.parse(list.stdout)).toContainEqual({ jid: 'bob@lab', roles: [], sessions: 0 })
    } finally {
      await server.stop()
    }
  })
})

describe('certificates', () => {
  test('the authority is exported, the server shows its own, and SRV records are printed', async () => {
    expect((await sacm(['cert', 'ca', '--export', 'ca.pem', ...at('certs')])).code).toBe(0)
    expect(readFileSync(join(folder, 'ca.pem'), 'utf8')).toContain('BEGIN CERTIFICATE')
    const shown = await sacm(['cert', 'server', '--json', ...at('certs')])
    expect(JSON.parse(shown.stdout)).toMatchObject({
      source: 'issued',
      names: expect.stringContaining('DNS:pubsub.lab'),
    })
    const srv = await sacm(['cert', 'srv', '--target', 'host.lab', ...at('certs')])
    expect(srv.stdout).toContain('_xmpp-client._tcp.lab. 3600 IN SRV 0 5 5222 host.lab.')
    expect(srv.stdout).toContain('_xmpps-client._tcp.lab. 3600 IN SRV 0 5 5223 host.lab.')
  })

  test("an operator's own is imported, and refused when key and certificate do not fit", async () => {
    for (const name of ['one', 'two']) writePair(name)
    const bad = await sacm(['cert', 'server', '--import', 'one.pem', 'two.key', ...at('import')])
    expect(bad.code).toBe(1)
    expect(bad.stderr).toMatch(/key/)
    const good = await sacm(['cert', 'server', '--import', 'one.pem', 'one.key', '--json', ...at('import')])
    expect(good.code).toBe(0)
    expect(JSON.parse(good.stdout)).toMatchObject({ source: 'imported', reloaded: false })
    expect((await sacm(['cert', 'server', '--import', 'one.pem', ...at('import')])).code).toBe(2)
  })
})

describe('serve', () => {
  test('makes what is missing, keeps secrets to itself, and takes the folder for itself', async () => {
    const server = await startServer({ dataDir: join(folder, 'serve'), domain: 'lab' })
    try {
      const passwordFile = join(folder, 'serve/admin-password')
      const password = readFileSync(passwordFile, 'utf8').trim()
      expect(password.length).toBeGreaterThanOrEqual(20)
      for (const name of ['admin-password', 'certs/ca.key', 'certs/server.pem', 'sacm.sqlite', 'control.sock']) {
        expect((statSync(join(folder, 'serve', name)).mode & 0o777).toString(8), name).toBe('600')
      }
      expect(statSync(join(folder, 'serve')).mode & 0o777).toBe(0o700)
      expect(server.log()).not.toContain(password)
      const second = await sacm([
        'serve',
        '--host',
        '127.0.0.1',
        '--c2s-port',
        '0',
        '--tls-port',
        '0',
        '--https-port',
        '0',
        ...at('serve'),
      ])
      expect(second.code).toBe(3)
      expect(second.stderr).toContain('in use by another process')
    } finally {
      expect(await server.stop()).toBe(0)
    }
    expect(existsSync(join(folder, 'serve/sacm.sqlite-wal'))).toBe(false)
  })

  test('a port in use is exit code 3 and says which', async () => {
    const server = await startServer({ dataDir: join(folder, 'port'), domain: 'lab' })
    try {
      const args = [
        'serve',
        '--host',
        '127.0.0.1',
        '--c2s-port',
        String(server.ports.c2s),
        '--tls-port',
        '0',
        '--https-port',
        '0',
        ...at('port2'),
      ]
      const { code, stderr } = await sacm(args)
      expect(stderr).toContain(`port ${server.ports.c2s} is in use`)
      expect(code).toBe(3)
    } finally {
      await server.stop()
    }
  })
})

describe('a client', () => {
  test('says the way out where the port speaks TLS otherwise', async () => {
    const server = await startServer({ dataDir: join(folder, 'security'), domain: 'lab' })
    try {
      writeFileSync(join(folder, 'password'), 'secret\n')
      const ask = (port: number, ...flags: string[]) => {
        const account = ['--jid', 'a@lab', '--password-file', 'password', '--ca', server.caFile]
        return sacm(['repo', 'endpoints', ...account, '--host', '127.0.0.1', '--port', String(port), ...flags])
      }
      const plain = await ask(server.ports.tls)
      expect(plain.stderr).toMatch(/TLS from the first byte(?:.|\n)*--direct-tls, or a port for STARTTLS: 5222/)
      expect(plain.code).toBe(3)
      const direct = await ask(server.ports.c2s, '--direct-tls')
      expect(direct.stderr).toMatch(/does not speak TLS from the first byte(?:.|\n)*without --direct-tls, or .* 5223/)
      expect(direct.code).toBe(3)
    } finally {
      expect(await server.stop()).toBe(0)
    }
  })
})

describe('version', () => {
  test('lists the specifications that the code declares', async () => {
    const { stdout } = await sacm(['version', '--specs', '--json'])
    const { specs } = JSON.parse(stdout) as { specs: { doc: string; by: string }[] }
    for (const doc of [
      'RFC 6120',
      'RFC 7395',
      'XEP-0030',
      'XEP-0060',
      'XEP-0092',
      'XEP-0115',
      'XEP-0199',
      'XEP-0202',
    ]) {
      expect(specs.map((spec) => spec.doc)).toContain(doc)
    }
  })

  test.each(['specs', 'compliance'])('the table of %s in the README is that list', async (name) => {
    const { stdout } = await sacm(['version', `--${name}`, '--markdown'])
    const readme = readFileSync(join(import.meta.dirname, '../../README.md'), 'utf8')
    expect(readme.split(`<!-- ${name}:begin -->`)[1]?.split(`<!-- ${name}:end -->`)[0]?.trim()).toBe(stdout.trim())
  })

  test('says which requirements of the compliance suites are met', async () => {
    const { stdout } = await sacm(['version', '--compliance', '--json'])
    const { compliance } = JSON.parse(stdout) as { compliance: { suite: string; level: string; isMet: boolean }[] }
    const unmet = compliance.filter(({ isMet }) => !isMet).map(({ suite, level }) => `${suite} ${level}`)
    expect(unmet).not.toContain('Core server')
    expect(unmet).not.toContain('Mobile server')
    expect(unmet).toContain('A/V Calling server')
  })
})

/** A certificate for the domain by an authority of the operator's own. */
function writePair(name: string): void {
  const { cert, key } = issueServerCertificate(ensureCa(join(folder, `${name}-ca`)), { domains: ['lab'] })
  writeFileSync(join(folder, `${name}.pem`), cert)
  writeFileSync(join(folder, `${name}.key`), key)
}

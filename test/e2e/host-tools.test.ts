/**
 * What the probes report of this host is what its own tools say, in both directions. The host lives on meanwhile, so
 * each is read twice in turn: what a tool says before and after must be in the report between, and the other way round.
 */

import { execFile } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, rmdirSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { promisify } from 'node:util'
import { expect, onTestFinished, type TestContext, test } from 'vitest'
import type { PostureAttribute, Probe } from '../../clients/collector/probe.ts'
import { files, SENSITIVE_FILES } from '../../clients/collector/probes/files.ts'
import { groups } from '../../clients/collector/probes/groups.ts'
import { kernel } from '../../clients/collector/probes/kernel.ts'
import { listening } from '../../clients/collector/probes/listening.ts'
import { machine } from '../../clients/collector/probes/machine.ts'
import { modules } from '../../clients/collector/probes/modules.ts'
import { mounts } from '../../clients/collector/probes/mounts.ts'
import { packages } from '../../clients/collector/probes/packages.ts'
import { services } from '../../clients/collector/probes/services.ts'
import { sshd } from '../../clients/collector/probes/sshd.ts'
import { sysctl } from '../../clients/collector/probes/sysctl.ts'
import { users } from '../../clients/collector/probes/users.ts'
import { needTool } from '../support/tools.ts'

/** Attribute name to value; `<error>` and the like for those without. */
type Posture = ReadonlyMap<string, string>

interface Output {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

const run = promisify(execFile)
const isRoot = process.getuid?.() === 0

async function tool(command: string, ...args: string[]): Promise<Output> {
  const options = { env: { LC_ALL: 'C', PATH: '/usr/sbin:/usr/bin:/sbin:/bin' }, timeout: 30_000, maxBuffer: 64 << 20 }
  try {
    const { stdout, stderr } = await run(command, args, options)
    return { exitCode: 0, stdout, stderr }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && typeof error.code === 'number')) throw error
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string } // as execFile rejects
    return { exitCode: error.code, stdout, stderr }
  }
}

async function rows(command: string, ...args: string[]): Promise<string[]> {
  const { exitCode, stdout, stderr } = await tool(command, ...args)
  expect(exitCode, `${command}: ${stderr}`).toBe(0)
  return stdout.split('\n').filter((line) => line !== '')
}

function collect(probe: Probe): Promise<readonly PostureAttribute[]> {
  return probe.collect({ now: Date.now(), signal: AbortSignal.timeout(30_000), root: '/' })
}

/** @param keep  which attributes to compare, of those that a tool can tell */
async function posture(probe: Probe, keep: (name: string) => boolean = () => true): Promise<Posture> {
  const attributes = await collect(probe)
  return new Map(
    attributes
      .filter(({ name }) => keep(name))
      .map(({ name, status, value }) => [name, status === 'exists' ? `${value}` : `<${status}>`]),
  )
}

/** Compares all that does not change under our hands. @returns how many attributes agreed */
async function agree(ask: () => Promise<Posture>, probe: () => Promise<Posture>): Promise<number> {
  const [told, seen, toldAgain, seenAgain] = [await ask(), await probe(), await ask(), await probe()]
  const differences = (name: string, outer: [Posture, Posture], inner: Posture) =>
    [...outer[0]]
      .filter(([key, value]) => outer[1].get(key) === value && inner.get(key) !== value)
      .map(([key, value]) => `${name} ${key}=${value}, the other ${inner.get(key)}`)
  expect(differences('tool', [told, toldAgain], seen)).toEqual([])
  expect(differences('probe', [seen, seenAgain], toldAgain)).toEqual([])
  return [...told].filter(([key, value]) => seen.get(key) === value).length
}

test('packages: dpkg-query', async (context) => {
  needTool(context, ['dpkg-query', '--version'], 'this comparison is for Debian and its kin')
  const native = (await rows('dpkg', '--print-architecture'))[0]
  const ask = async () => {
    const told = new Map([['package.manager', 'dpkg']])
    const format =
      // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query's own form
      '${Package}\\t${Architecture}\\t${db:Status-Want} ${db:Status-Eflag}\\t${db:Status-Status}\\t${Version}\\n'
    for (const row of await rows('dpkg-query', '-W', '-f', format)) {
      const [name, architecture = '', wish, status, version = ''] = row.split('\t')
      const label = ['all', native].includes(architecture) ? name : `${name}:${architecture}`
      const state = `${wish} ${status}`
      if (state !== 'install ok installed') told.set(`package.dpkg.${label}.state`, state)
      if (status !== 'config-files' && status !== 'half-installed') told.set(`package.dpkg.${label}.version`, version)
    }
    return told
  }
  const known = (name: string) => name === 'package.manager' || name.startsWith('package.dpkg.')
  expect(await agree(ask, () => posture(packages, known))).toBeGreaterThan(50)
})

test('listening: ss, our own sockets among others', async (context) => {
  needTool(context, ['ss', '-V'], 'apt-get install iproute2')
  const own = await listenEverywhere()
  const ask = async () => {
    const told = new Map<string, { processes: Set<string>; uids: Set<string>; isOpen: boolean }>()
    for (const [protocol, flag] of [
      ['tcp', '-t'],
      ['udp', '-u'],
    ] as const) {
      for (const row of await rows('ss', '-H', '-l', '-n', '-e', '-p', flag)) {
        const local = localOf(row.split(/\s+/)[3] ?? '')
        const names = [...row.matchAll(/\("((?:[^"\\]|\\.)*)",pid=\d+,fd=\d+\)/g)].map((match) => match[1] ?? '')
        const key = `listen.${protocol}.${local}`
        const entry = told.get(key) ?? { processes: new Set(), uids: new Set(), isOpen: false }
        for (const name of names) entry.processes.add(name)
        told.set(key, entry)
        entry.uids.add(/\buid:(\d+)/.exec(row)?.[1] ?? '0')
        entry.isOpen ||= names.length === 0
      }
    }
    return new Map(
      [...told].flatMap(([key, { processes, uids, isOpen }]): [string, string][] => [
        [`${key}.process`, isOpen ? '<not-collected>' : [...processes].sort().join(',')],
        [`${key}.uid`, [...uids].sort().join(',')],
      ]),
    )
  }
  await agree(ask, () => posture(listening))
  const [seen, told] = [await posture(listening), await ask()]
  for (const address of own) {
    expect(told.get(`${address}.process`)).toMatch(/\w/)
    expect(seen.get(`${address}.process`)).toBe(told.get(`${address}.process`))
    expect(seen.get(`${address}.uid`)).toBe(String(process.getuid?.()))
  }
})

/** ss writes `*` for all addresses of both families, and the interface that a socket is bound to. */
function localOf(text: string): string {
  const port = text.slice(text.lastIndexOf(':') + 1)
  const address = text.slice(0, text.lastIndexOf(':')).replace(/%[^\]]*(?=\]?$)/, '')
  return `${address === '*' ? '[::]' : address}:${port}`
}

/** Sockets of this process on every kind of address that the host has. @returns their attribute names */
async function listenEverywhere(): Promise<string[]> {
  const own: string[] = []
  for (const address of ['127.0.0.1', '0.0.0.0', '::1', '::', '::ffff:127.0.0.1']) {
    const brackets = (port: number) => (address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`)
    const server: Server = createServer()
    const datagrams = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    try {
      server.listen(0, address)
      await once(server, 'listening')
      datagrams.bind(0, address)
      await once(datagrams, 'listening')
    } catch (error) {
      // A host without IPv6 has no such address, which is said of it in words of its own.
      if (!address.includes(':')) throw error
      continue
    } finally {
      onTestFinished(() => {
        if (server.listening) server.close()
        datagrams.close()
      })
    }
    const bound = server.address()
    if (typeof bound === 'object' && bound) own.push(`listen.tcp.${brackets(bound.port)}`)
    own.push(`listen.udp.${brackets(datagrams.address().port)}`)
  }
  expect(own.length).toBeGreaterThanOrEqual(4)
  return own
}

/** Of the list in NAMES.md: what is told by sysctl and not collected on purpose. */
const LEFT_ALONE =
  /^sysctl\.(fs\.(aio-nr|dentry-state|file-nr|inode-nr|inode-state|quota\..*)|kernel\.(ns_last_pid|perf_event_max_sample_rate|pty\.nr|random\.(entropy_avail|uuid))|net\.netfilter\.nf_conntrack_count|vm\.stat_refresh|net\.ipv4\.tcp_fastopen_key|net\.ipv6\.conf\..*\.stable_secret)$/

test('sysctl: sysctl -a', async (context) => {
  needTool(context, ['sysctl', '--version'], 'apt-get install procps')
  const ask = async () => {
    const told = new Map<string, string>()
    // Its exit code tells of keys that may not be read, which it leaves out.
    const { stdout } = await tool('sysctl', '-a', '--deprecated')
    for (const line of stdout.split('\n')) {
      const [, key, value = ''] = /^([^ ]+) = ?(.*)$/.exec(line) ?? []
      if (!key) continue
      const name = `sysctl.${key}`
      const before = told.get(name)
      told.set(name, LEFT_ALONE.test(name) ? '<not-collected>' : before === undefined ? value : `${before} ${value}`)
    }
    return told
  }
  const probe = async () => {
    const seen = new Map(await posture(sysctl))
    // What sysctl does not print: write-only keys, those that may not be read, and secrets that are not set.
    for (const [name, value] of seen) if (value === '<error>' || isUnreadable(name, value)) seen.delete(name)
    return seen
  }
  const told = await ask()
  const isUnreadable = (name: string, value: string) => value === '<not-collected>' && !told.has(name)
  expect(await agree(ask, probe)).toBeGreaterThan(200)
  // Nothing is kept back but what the registry says.
  const kept = (await collect(sysctl)).filter(({ status }) => status === 'not-collected')
  for (const { name, reason } of kept) {
    if (reason !== 'can only be written') expect(name).toMatch(LEFT_ALONE)
    else expect(told.has(name)).toBe(false)
  }
})

test('sshd: sshd -T', async (context) => {
  needTool(context, ['test', '-x', '/usr/sbin/sshd'], 'apt-get install openssh-server')
  // Its service makes this folder at start; without it sshd does not even print its configuration.
  if (isRoot && !existsSync('/run/sshd')) {
    mkdirSync('/run/sshd', { mode: 0o755 })
    onTestFinished(() => rmdirSync('/run/sshd'))
  }
  const { exitCode, stdout, stderr } = await tool('/usr/sbin/sshd', '-T')
  const seen = new Map((await collect(sshd)).map((attribute) => [attribute.name, attribute]))
  expect(seen.get('sshd.installed')?.value).toBe('true')
  if (exitCode !== 0) {
    expect(isRoot, stderr).toBe(false)
    if (seen.has('sshd.config')) expect(seen.get('sshd.config')?.reason).toContain(stderr.split('\n')[0]?.trim())
    return
  }
  const told = new Map<string, string>([['sshd.installed', 'true']])
  for (const line of stdout.split('\n').filter(Boolean)) {
    const space = line.indexOf(' ')
    const [keyword, value] = space < 0 ? [line, ''] : [line.slice(0, space), line.slice(space + 1)]
    const before = told.get(`sshd.${keyword}`)
    told.set(`sshd.${keyword}`, before === undefined ? value : `${before},${value}`)
  }
  expect(told.size).toBeGreaterThan(50)
  expect(new Map([...seen].map(([name, { value }]) => [name, value]))).toEqual(told)
})

const TYPES: Readonly<Record<string, string>> = {
  'regular file': 'file',
  'regular empty file': 'file',
  'symbolic link': 'symlink',
  directory: 'directory',
}

test('files: stat', async () => {
  const matching = (folder: string, pattern: RegExp) =>
    existsSync(folder) ? readdirSync(folder).flatMap((name) => (pattern.test(name) ? [`${folder}/${name}`] : [])) : []
  const paths = new Set([
    ...SENSITIVE_FILES,
    ...matching('/etc/ssh', /^ssh_host_.*_key(\.pub)?$/),
    ...matching('/etc/ssh/sshd_config.d', /\.conf$/),
    ...(isRoot ? matching('/etc/sudoers.d', /^/) : []),
    ...matching('/etc/cron.d', /^/),
  ])
  const ask = async () => {
    const told = new Map<string, string>()
    for (const path of paths) {
      const { exitCode, stdout, stderr } = await tool('stat', '-c', '%F|%U|%u|%G|%g|%a', path)
      if (exitCode !== 0) {
        told.set(`file.${path}.type`, stderr.includes('No such file') ? '<does-not-exist>' : '<error>')
        continue
      }
      const [type = '', user, uid = '', group, gid = '', mode = ''] = stdout.trim().split('|')
      told.set(`file.${path}.type`, TYPES[type] ?? type)
      told.set(`file.${path}.owner`, user === 'UNKNOWN' ? uid : `${user}`)
      told.set(`file.${path}.group`, group === 'UNKNOWN' ? gid : `${group}`)
      if (type === 'symbolic link') told.set(`file.${path}.target`, (await rows('readlink', path)).join('\n'))
      else told.set(`file.${path}.mode`, mode.padStart(4, '0'))
    }
    return told
  }
  expect(await agree(ask, () => posture(files, (name) => !name.endsWith('.entries')))).toBeGreaterThan(80)
})

test('users: getent passwd', async () => {
  const ask = async () => {
    const told = new Map<string, string>()
    for (const row of await rows('getent', '-s', 'files', 'passwd')) {
      const [name, , uid = '', gid = '', , home = '', shell = ''] = row.split(':')
      for (const [key, value] of Object.entries({ uid, gid, home, shell })) told.set(`user.${name}.${key}`, value)
    }
    return told
  }
  expect(await agree(ask, () => posture(users, (name) => /\.(uid|gid|home|shell)$/.test(name)))).toBeGreaterThan(40)
})

test('users: passwd -S and getent shadow, as root', async (context) => {
  if (!isRoot) context.skip('needs root: password states may not be read')
  needTool(context, ['passwd', '-S', 'root'], 'apt-get install passwd')
  const date = (days: string) => new Date(Number(days) * 86_400_000).toISOString().replace('.000Z', 'Z')
  const ask = async () => {
    const told = new Map<string, string>()
    for (const row of await rows('passwd', '-S', '-a')) {
      const [name, state] = row.split(' ')
      told.set(`user.${name}.password`, state ?? '')
    }
    for (const row of await rows('getent', '-s', 'files', 'shadow')) {
      const [name, , last = '', min = '', max = '', warn = ''] = row.split(':')
      const days = { 'password-min-days': min, 'password-max-days': max, 'password-warn-days': warn }
      for (const [key, value] of Object.entries(days)) told.set(`user.${name}.${key}`, value || '<does-not-exist>')
      told.set(`user.${name}.password-last-change`, last === '' ? 'never' : last === '0' ? 'must-change' : date(last))
    }
    return told
  }
  // passwd says L for locked and for what no password fits.
  const letters: Readonly<Record<string, string>> = { set: 'P', empty: 'NP', locked: 'L', none: 'L' }
  const compared = /\.(password|password-(min|max|warn)-days|password-last-change)$/
  const probe = async () => {
    const seen = await posture(users, (name) => compared.test(name))
    return new Map(
      [...seen].map(([name, value]) => [name, name.endsWith('.password') ? (letters[value] ?? value) : value]),
    )
  }
  expect(await agree(ask, probe)).toBeGreaterThan(40)
})

test('groups: getent group', async () => {
  const ask = async () => {
    const told = new Map<string, string>()
    for (const row of await rows('getent', '-s', 'files', 'group')) {
      const [name, , gid = '', members = ''] = row.split(':')
      told.set(`group.${name}.gid`, gid)
      told.set(`group.${name}.members`, members.split(',').sort().join(','))
    }
    return told
  }
  expect(await agree(ask, () => posture(groups))).toBeGreaterThan(40)
})

interface Filesystem {
  readonly target: string
  readonly source: string | null
  readonly fsroot: string
  readonly fstype: string
  readonly options: string
}

test('mounts: findmnt', async (context) => {
  needTool(context, ['findmnt', '--version'], 'apt-get install util-linux')
  const ask = async () => {
    const output = await rows('findmnt', '--json', '--list', '--nofsroot', '-o', 'TARGET,SOURCE,FSROOT,FSTYPE,OPTIONS')
    const { filesystems } = JSON.parse(output.join('\n')) as { filesystems: Filesystem[] } // its documented form
    const told = new Map<string, string>()
    // The last one of a target is the topmost.
    for (const { target } of filesystems) {
      const stack = filesystems.filter((other) => other.target === target)
      const top = stack.at(-1)
      if (!top) continue
      told.set(`mount.${target}.source`, top.source ?? '')
      told.set(`mount.${target}.type`, top.fstype)
      told.set(`mount.${target}.options`, top.options.split(',').sort().join(','))
      if (top.fsroot !== '/') told.set(`mount.${target}.folder`, top.fsroot)
      if (stack.length > 1) told.set(`mount.${target}.layers`, String(stack.length))
    }
    return told
  }
  expect(await agree(ask, () => posture(mounts))).toBeGreaterThan(2)
})

test('modules: lsmod', async (context) => {
  needTool(context, ['kmod', '--version'], 'apt-get install kmod')
  const { exitCode, stdout } = await tool('lsmod')
  const seen = await posture(modules, (name) => name.startsWith('module.'))
  if (exitCode !== 0) {
    // No table of modules here: none may be reported, and none is said to be known.
    expect(existsSync('/proc/modules')).toBe(false)
    expect([...seen.keys()]).toEqual(['module.support'])
    expect(seen.get('module.support')).not.toBe('true')
    return
  }
  const ask = async () => {
    const names = (await rows('lsmod')).slice(1).map((row) => row.split(/\s+/)[0])
    return new Map([
      ['module.support', 'true'],
      ...names.map((name): [string, string] => [`module.${name}.state`, 'live']),
    ])
  }
  expect(stdout).toContain('Used by')
  await agree(ask, () => posture(modules, (name) => name.startsWith('module.')))
})

test('services: systemctl', async (context) => {
  needTool(context, ['systemctl', '--version'], 'apt-get install systemd')
  const ask = async () => {
    const output = await rows('systemctl', 'list-unit-files', '--output=json', '--no-pager')
    const list = JSON.parse(output.join('\n')) as { unit_file: string; state: string }[] // systemd ≥ 246
    return new Map(list.map(({ unit_file, state }) => [`unit.${unit_file}.enabled`, state]))
  }
  expect(await agree(ask, () => posture(services, (name) => name.endsWith('.enabled')))).toBeGreaterThan(20)
  await compareStates(context)
})

async function compareStates(context: TestContext): Promise<void> {
  const seen = await posture(services)
  const { exitCode } = await tool('systemctl', 'is-system-running')
  if (!existsSync('/run/systemd/private')) {
    expect(exitCode).not.toBe(0)
    expect(seen.get('systemd.running')).toBe('false')
    expect(seen.get('unit.state')).toBe('<not-collected>')
    for (const [name, value] of seen) if (/\.(active|sub)$/.test(name)) expect(value).toBe('<not-collected>')
    await context.annotate('systemd is not PID 1 here: states of units were not compared')
    return
  }
  const ask = async () => {
    const types = '--type=service,socket,timer,path,target,automount,swap'
    const output = await rows('systemctl', 'list-units', '--all', types, '--output=json', '--no-pager')
    const list = JSON.parse(output.join('\n')) as { unit: string; load: string; active: string; sub: string }[] // as above
    return new Map(
      list
        .filter(({ load }) => load !== 'not-found')
        .flatMap(({ unit, active, sub }): [string, string][] => [
          [`unit.${unit}.active`, active],
          [`unit.${unit}.sub`, sub],
        ]),
    )
  }
  expect(await agree(ask, () => posture(services, (name) => /\.(active|sub)$/.test(name)))).toBeGreaterThan(20)
}

test('kernel and machine: uname, hostname, systemd-detect-virt', async (context) => {
  const seen = await posture(kernel)
  expect(seen.get('kernel.release')).toBe((await rows('uname', '-r'))[0])
  expect(seen.get('kernel.version')).toBe((await rows('uname', '-v'))[0])
  expect(seen.get('kernel.architecture')).toBe((await rows('uname', '-m'))[0])
  const host = await posture(machine)
  expect(host.get('machine.hostname')).toBe((await rows('uname', '-n'))[0])
  needTool(context, ['systemd-detect-virt', '--version'], 'apt-get install systemd')
  expect(host.get('machine.virtualization')).toBe((await tool('systemd-detect-virt')).stdout.trim())
})

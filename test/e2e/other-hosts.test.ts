/**
 * Hosts that this one is not: mounts upon mounts, an rpm database. Made in a mount namespace of their own, which ends
 * with its process, so that nothing changes here.
 */

import { execFile, execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, type TestContext, test } from 'vitest'
import type { PostureAttribute } from '../../clients/collector/probe.ts'
import { needTool } from '../support/tools.ts'
import { shown } from '../unit/probes/host-tree.ts'

const run = promisify(execFile)
const CHILD = join(import.meta.dirname, 'collect-probes.ts')

/** Being root is not enough: a container may forbid it. That is no missing tool, so it is no failure under CI. */
function needNamespaces(context: TestContext): void {
  needTool(context, ['unshare', '--version'], 'apt-get install util-linux')
  try {
    execFileSync('unshare', ['--mount', 'mount', '-t', 'tmpfs', 'none', '/mnt'], { stdio: 'ignore', timeout: 10_000 })
  } catch {
    context.skip('needs the right to make a mount namespace (root with CAP_SYS_ADMIN)')
  }
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'sacm-other-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

/** Runs the preparation, which gets `$1`, then the probes, then a tool whose output comes after a NUL. */
async function inNamespace(prepare: string, work: string, probes: string, tool: string): Promise<[string, string]> {
  const script = `set -e; ${prepare}\n"$2" "$3" ${probes}; printf '\\0'; ${tool}`
  const { stdout } = await run('unshare', ['--mount', 'sh', '-c', script, 'sh', work, process.execPath, CHILD], {
    env: { LC_ALL: 'C', PATH: '/usr/sbin:/usr/bin:/sbin:/bin' },
    timeout: 30_000,
    maxBuffer: 64 << 20,
  })
  const [report = '', told = ''] = stdout.split('\0')
  return [report, told]
}

const attributes = (report: string) => shown(JSON.parse(report) as PostureAttribute[]) // printed by the child

test('mounts upon each other, read-only binds and odd names are what findmnt says', async (context) => {
  needNamespaces(context)
  needTool(context, ['findmnt', '--version'], 'apt-get install util-linux')
  const work = folder()
  const prepare = [
    'cd "$1"; mkdir "a b" stack bind "tab\tü#\\\\x"',
    'mount -t tmpfs -o size=64k,noexec "so urce" "a b"; mkdir "a b/sub"',
    'mount -t tmpfs -o nosuid one stack; mount -t tmpfs -o nodev two stack; mount -t tmpfs -o noexec,ro three stack',
    'mount --bind "a b/sub" bind; mount -o remount,bind,ro,nodev bind',
    'mount -t tmpfs odd "tab\tü#\\\\x"',
  ].join('\n')
  const [report, told] = await inNamespace(
    prepare,
    work,
    'mounts',
    'findmnt --json --list --nofsroot -o TARGET,SOURCE,FSROOT,FSTYPE,OPTIONS',
  )
  const seen = attributes(report)
  const { filesystems } = JSON.parse(told) as { filesystems: Record<string, string>[] } // findmnt's documented form
  const own = filesystems.filter(({ target }) => target?.startsWith(work))
  expect(own.length).toBe(6)
  // Of a stack the last is on top.
  const tops = new Map(own.map((entry) => [entry['target'] ?? '', entry]))
  const name = (target: string, key: string) => `mount.${target.replace('\t', '\\x09')}.${key}`
  for (const [target, { source, fstype, options = '' }] of tops) {
    expect(seen[name(target, 'source')]).toBe(source)
    expect(seen[name(target, 'type')]).toBe(fstype)
    expect(seen[name(target, 'options')]).toBe(options.split(',').sort().join(','))
  }
  expect(seen[name(`${work}/stack`, 'source')]).toBe('three')
  expect(seen[name(`${work}/stack`, 'options')]).toMatch(/noexec.*\bro\b/)
  expect(seen[name(`${work}/stack`, 'layers')]).toBe('3')
  expect(seen[name(`${work}/bind`, 'folder')]).toBe('/sub')
  expect(seen[name(`${work}/bind`, 'options')]).toMatch(/nodev.*\bro\b/)
  expect(seen[name(`${work}/tab\tü#\\x`, 'source')]).toBe('odd')
})

const PACKAGES = [
  { name: 'alpha', epoch: 2, version: '1.0', release: '3', arch: 'noarch' },
  { name: 'kernel-x', epoch: 0, version: '5.14', release: '1.el9', arch: 'noarch' },
  { name: 'kernel-x', epoch: 0, version: '5.15', release: '1.el9', arch: 'noarch' },
  { name: 'rpm', epoch: 0, version: '4.18~rc1', release: '9^git', arch: 'noarch' },
]

test('an rpm database that rpm itself made', async (context) => {
  needTool(context, ['rpmbuild', '--version'], 'apt-get install rpm')
  needNamespaces(context)
  const work = folder()
  const database = join(work, 'db')
  mkdirSync(database)
  // Debian's rpmbuild keeps a database in the home of whoever calls it.
  const options = { env: { ...process.env, HOME: work }, timeout: 30_000 }
  for (const { name, epoch, version, release, arch } of PACKAGES) {
    const spec = join(work, 'package.spec')
    const fields = { Name: name, Version: version, Release: release, Summary: 's', License: 'l', BuildArch: arch }
    const head = Object.entries(fields).map(([key, value]) => `${key}: ${value}`)
    writeFileSync(
      spec,
      [...head, ...(epoch > 0 ? [`Epoch: ${epoch}`] : []), '%description', 'd', '%files', ''].join('\n'),
    )
    await run('rpmbuild', ['-bb', '--quiet', '--define', `_topdir ${work}/top`, spec], options)
    const file = join(work, 'top/RPMS', arch, `${name}-${version}-${release}.${arch}.rpm`)
    await run('rpm', ['--dbpath', database, '-i', '--justdb', '--nodeps', '--oldpackage', '--force', file], options)
  }
  const prepare = 'mount --bind "$1/db" /var/lib/rpm'
  const [report, told] = await inNamespace(prepare, work, 'packages', 'rpm --dbpath /var/lib/rpm -qa')
  const seen = Object.entries(attributes(report)).filter(([name]) => /^package\.(rpm|manager)/.test(name))
  expect(told.trim().split('\n').length).toBe(PACKAGES.length)
  expect(Object.fromEntries(seen)).toEqual({
    'package.manager': expect.stringMatching(/rpm$/),
    'package.rpm.alpha.version': '2:1.0-3',
    'package.rpm.kernel-x@5.14-1.el9.version': '5.14-1.el9',
    'package.rpm.kernel-x@5.15-1.el9.version': '5.15-1.el9',
    'package.rpm.rpm.version': '4.18~rc1-9^git',
  })
})

test('an rpm database that is none is an error with the words of rpm', async (context) => {
  needTool(context, ['rpm', '--version'], 'apt-get install rpm')
  needNamespaces(context)
  const work = folder()
  mkdirSync(join(work, 'db'))
  writeFileSync(join(work, 'db/rpmdb.sqlite'), 'this is not a database')
  const [report] = await inNamespace('mount --bind "$1/db" /var/lib/rpm', work, 'packages', 'true')
  const seen = attributes(report)
  expect(seen['package.rpm']).toMatch(/^<error: \/usr\/bin\/rpm: .+>$/)
  expect(Object.keys(seen).filter((name) => name.startsWith('package.rpm.'))).toEqual([])
})

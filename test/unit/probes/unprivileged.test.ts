/** What a collector without root reports: reasons, not guesses. The child gives up root before it reads. */

import { execFile } from 'node:child_process'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import type { PostureAttribute } from '../../../clients/collector/probe.ts'
import { allProbes } from '../../../clients/collector/probes/all.ts'
import { coveredPrefixes } from '../../../clients/collector/probes/covered.ts'
import { hostTree, shown } from './host-tree.ts'

const CHILD = join(import.meta.dirname, 'unprivileged.ts')
const run = promisify(execFile)

async function asNobody(root: string, ...names: string[]): Promise<Record<string, readonly PostureAttribute[]>> {
  const { stdout } = await run(process.execPath, [CHILD, root, ...names], {
    env: {},
    timeout: 30_000,
    maxBuffer: 64 << 20,
  })
  return JSON.parse(stdout)
}

function fixture(): string {
  const root = hostTree({
    'etc/passwd': 'root:x:0:0::/root:/bin/sh\nopen::1:1::/:/bin/sh\n',
    'etc/group': 'root:x:0:\n',
    'etc/shadow': 'root:$6$secret$hash:20000:0:99999:7:::\nopen:!:20000:0:99999:7:::\n',
    'etc/sudoers': 'Defaults env_reset\n',
    'etc/sudoers.d/a': '',
    'etc/crontab': 'x\n',
    'etc/security/faillock.conf': 'deny=3\n',
    'etc/pam.d/su': 'auth\n',
    'var/spool/cron/crontabs/root': '* * * * * true\n',
    'var/lib/dpkg/status': 'Package: a\nStatus: install ok installed\nVersion: 1\n',
    'root/.ssh/authorized_keys': 'key\n',
    'proc/sys/kernel/secret': '1\n',
    'proc/sys/kernel/fine': '1\n',
    'proc/sys/closed/inner': '1\n',
    'proc/net/tcp': '  sl\n 0: 00000000:0016 00000000:0000 0A 0:0 0:0 0 0 0 77 1\n',
    'proc/net/udp': '  sl\n',
    'proc/1/fd/3': { link: 'socket:[77]' },
    'proc/1/comm': 'sshd\n',
    'sys/class/dmi/id/product_serial': 'S1\n',
  })
  chmodSync(root, 0o755)
  for (const path of [
    'etc/shadow',
    'etc/sudoers',
    'etc/sudoers.d',
    'etc/crontab',
    'etc/security/faillock.conf',
    'etc/pam.d/su',
    'var/spool/cron/crontabs',
    'var/lib/dpkg/status',
    'root',
    'proc/sys/kernel/secret',
    'proc/sys/closed',
    'proc/1/fd',
    'sys/class/dmi/id/product_serial',
  ]) {
    chmodSync(join(root, path), path === 'proc/sys/kernel/secret' ? 0o400 : 0)
    // Without root the folder could not be removed.
    onTestFinished(() => chmodSync(join(root, path), 0o700))
  }
  return root
}

/** `nobody` does not own the files; a test that runs without root does, where mode 0 stops the owner as well. */
test('every unreadable source of a fixture is named with its reason', async () => {
  const root = fixture()
  if (process.getuid?.() !== 0) chmodSync(join(root, 'proc/sys/kernel/secret'), 0o044)
  const all = await asNobody(root)
  const result = shown(Object.values(all).flat())
  const denied = (path: string) => `: ${path}: permission denied (EACCES)>`
  expect(result).toMatchObject({
    'user.root.uid': '0',
    'user.root.password': `<not-collected${denied('/etc/shadow')}`,
    'user.root.password-max-days': `<not-collected${denied('/etc/shadow')}`,
    // The password file itself says that no password is asked.
    'user.open.password': 'empty',
    'user.open.password-max-days': `<not-collected${denied('/etc/shadow')}`,
    'sudo.present': 'true',
    'sudo./etc/sudoers.d': `<not-collected${denied('/etc/sudoers.d')}`,
    'sudo./etc/sudoers.nopasswd': `<not-collected${denied('/etc/sudoers')}`,
    'cron./etc/crontab': `<error${denied('/etc/crontab')}`,
    'cron./var/spool/cron/crontabs': `<error${denied('/var/spool/cron/crontabs')}`,
    'faillock./etc/security/faillock.conf': `<error${denied('/etc/security/faillock.conf')}`,
    'pam.su': `<not-collected${denied('/etc/pam.d/su')}`,
    'package.dpkg': `<error${denied('/var/lib/dpkg/status')}`,
    'package.manager': 'dpkg',
    'file./root.type': 'directory',
    'file./root/.ssh/authorized_keys.type': `<error${denied('/root/.ssh/authorized_keys')}`,
    'file./etc/shadow.mode': '0000',
    'file./etc/sudoers.d.entries': `<error${denied('/etc/sudoers.d')}`,
    'sysctl.kernel.fine': '1',
    'sysctl.kernel.secret': `<error${denied('/proc/sys/kernel/secret')}`,
    'sysctl.closed': `<error${denied('/proc/sys/closed')}`,
    'listen.tcp.0.0.0.0:22.process': '<not-collected: the descriptors of 1 processes may not be read>',
    'machine.serial': `<not-collected${denied('/sys/class/dmi/id/product_serial')}`,
  })
  expect(JSON.stringify(all)).not.toContain('$hash')
  const packages = allProbes.find(({ name }) => name === 'packages')
  expect(packages && coveredPrefixes(packages, all['packages'] ?? [])).not.toContain('package.dpkg.')
})

test('on this host, without root, every probe answers and shadow stays shut', async () => {
  const all = await asNobody('/')
  expect(Object.keys(all)).toEqual(allProbes.map(({ name }) => name))
  const passwords = (all['users'] ?? []).filter(({ name }) => name.endsWith('.password-max-days'))
  expect(passwords.length).toBeGreaterThan(0)
  for (const attribute of passwords) {
    expect(attribute).toMatchObject({ status: 'not-collected', reason: '/etc/shadow: permission denied (EACCES)' })
  }
  for (const { status, reason } of Object.values(all).flat()) {
    if (status === 'error' || status === 'not-collected') expect(reason).toMatch(/\S/)
  }
})

/** Type, owner, group and mode of the files that decide who may do what; links are not followed. inode(7). */

import type { Stats } from 'node:fs'
import type { PostureAttribute, Probe } from '../probe.ts'
import { namesById } from './host/account-files.ts'
import { absent, exists, failed } from './host/attributes.ts'
import { defineProbe } from './host/define.ts'
import { linkTarget, list, lstatOf, readText } from './host/files.ts'

/** Reported also when they are not there. */
export const SENSITIVE_FILES = [
  '/boot',
  '/boot/grub/grub.cfg',
  '/boot/grub2/grub.cfg',
  '/boot/grub2/user.cfg',
  '/dev/shm',
  '/etc',
  '/etc/anacrontab',
  '/etc/at.allow',
  '/etc/at.deny',
  '/etc/audit',
  '/etc/audit/auditd.conf',
  '/etc/cron.allow',
  '/etc/cron.d',
  '/etc/cron.daily',
  '/etc/cron.deny',
  '/etc/cron.hourly',
  '/etc/cron.monthly',
  '/etc/cron.weekly',
  '/etc/crontab',
  '/etc/fstab',
  '/etc/group',
  '/etc/group-',
  '/etc/gshadow',
  '/etc/gshadow-',
  '/etc/hosts.equiv',
  '/etc/issue',
  '/etc/issue.net',
  '/etc/ld.so.preload',
  '/etc/login.defs',
  '/etc/motd',
  '/etc/passwd',
  '/etc/passwd-',
  '/etc/security/opasswd',
  '/etc/shadow',
  '/etc/shadow-',
  '/etc/shells',
  '/etc/ssh',
  '/etc/ssh/ssh_config',
  '/etc/ssh/sshd_config',
  '/etc/ssh/sshd_config.d',
  '/etc/sudoers',
  '/etc/sudoers.d',
  '/etc/sysctl.conf',
  '/home',
  '/root',
  '/root/.rhosts',
  '/root/.ssh',
  '/root/.ssh/authorized_keys',
  '/tmp',
  '/usr/bin/su',
  '/usr/bin/sudo',
  '/var/log',
  '/var/spool/cron',
  '/var/spool/cron/crontabs',
  '/var/tmp',
] as const

/** Folders of which the matching entries are reported too. */
const SENSITIVE_ENTRIES = [
  { folder: '/etc/ssh', pattern: /^ssh_host_.*_key(?:\.pub)?$/ },
  { folder: '/etc/ssh/sshd_config.d', pattern: /\.conf$/ },
  { folder: '/etc/sudoers.d', pattern: /^/ },
  { folder: '/etc/cron.d', pattern: /^/ },
] as const

export const files: Probe = defineProbe('files', ['file.'], ({ root }) => {
  const paths = new Set<string>(SENSITIVE_FILES)
  const attributes: PostureAttribute[] = []
  for (const { folder, pattern } of SENSITIVE_ENTRIES) {
    const entries = list(root, folder)
    if (entries.ok) for (const { name } of entries.value) if (pattern.test(name)) paths.add(`${folder}/${name}`)
    if (!entries.ok && entries.code !== 'ENOENT') attributes.push(failed(`file.${folder}.entries`, entries.reason))
  }
  const passwd = readText(root, '/etc/passwd')
  const group = readText(root, '/etc/group')
  const names = {
    users: namesById(passwd.ok ? passwd.value : '', 7),
    groups: namesById(group.ok ? group.value : '', 4),
  }
  for (const path of paths) attributes.push(...describe(root, path, names))
  return attributes
})

interface Names {
  readonly users: ReadonlyMap<number, string>
  readonly groups: ReadonlyMap<number, string>
}

function describe(root: string, path: string, names: Names): PostureAttribute[] {
  const name = `file.${path}`
  const stat = lstatOf(root, path)
  if (!stat.ok) {
    const isAbsent = stat.code === 'ENOENT' || stat.code === 'ENOTDIR'
    return [isAbsent ? absent(`${name}.type`) : failed(`${name}.type`, stat.reason)]
  }
  const { uid, gid, mode } = stat.value
  return [
    exists(`${name}.type`, typeOf(stat.value)),
    // An id without a name is written as a number, as ls does.
    exists(`${name}.owner`, names.users.get(uid) ?? String(uid)),
    exists(`${name}.group`, names.groups.get(gid) ?? String(gid)),
    // Linux gives every link mode 0777 and looks at it never: symlink(7).
    stat.value.isSymbolicLink()
      ? targetOf(root, path)
      : exists(`${name}.mode`, (mode & 0o7777).toString(8).padStart(4, '0')),
  ]
}

function targetOf(root: string, path: string): PostureAttribute {
  const target = linkTarget(root, path)
  return target.ok ? exists(`file.${path}.target`, target.value) : failed(`file.${path}.target`, target.reason)
}

function typeOf(stat: Stats): string {
  if (stat.isFile()) return 'file'
  if (stat.isDirectory()) return 'directory'
  if (stat.isSymbolicLink()) return 'symlink'
  if (stat.isSocket()) return 'socket'
  if (stat.isFIFO()) return 'fifo'
  return stat.isBlockDevice() ? 'block' : 'character'
}

/** Security modules of the kernel and their mode: SELinux, AppArmor, lockdown. */

import type { PostureAttribute, Probe } from '../probe.ts'
import { bool, exists, notCollected } from './host/attributes.ts'
import { defineProbe } from './host/define.ts'
import { isThere, readText } from './host/files.ts'

export const mandatoryAccess: Probe = defineProbe('mandatory-access', ['lsm.', 'selinux.', 'apparmor.'], ({ root }) => [
  ...securityfs(root),
  ...selinux(root),
  ...apparmor(root),
])

function securityfs(root: string): PostureAttribute[] {
  const modules = readText(root, '/sys/kernel/security/lsm')
  const lockdown = readText(root, '/sys/kernel/security/lockdown')
  return [
    // Not mounted in most containers.
    modules.ok ? exists('lsm.list', modules.value.trim()) : notCollected('lsm.list', modules.reason),
    lockdown.ok
      ? exists('lsm.lockdown', /\[(\w+)\]/.exec(lockdown.value)?.[1] ?? lockdown.value.trim())
      : notCollected('lsm.lockdown', lockdown.reason),
  ]
}

function selinux(root: string): PostureAttribute[] {
  const attributes: PostureAttribute[] = []
  const enforce = readText(root, '/sys/fs/selinux/enforce')
  if (enforce.ok) attributes.push(exists('selinux.mode', enforce.value.trim() === '1' ? 'enforcing' : 'permissive'))
  else if (enforce.code !== 'ENOENT') attributes.push(notCollected('selinux.mode', enforce.reason))
  else if (isThere(root, '/sys/fs/selinux')) attributes.push(notCollected('selinux.mode', 'selinuxfs is not mounted'))
  else attributes.push(exists('selinux.mode', 'disabled'))
  const config = readText(root, '/etc/selinux/config')
  if (config.ok) {
    const mode = /^\s*SELINUX=(\w+)/m.exec(config.value)?.[1]
    const type = /^\s*SELINUXTYPE=(\w+)/m.exec(config.value)?.[1]
    if (mode) attributes.push(exists('selinux.configured-mode', mode))
    if (type) attributes.push(exists('selinux.configured-type', type))
  } else if (config.code !== 'ENOENT') {
    attributes.push(notCollected('selinux.configured-mode', config.reason))
  }
  return attributes
}

function apparmor(root: string): PostureAttribute[] {
  const name = 'apparmor.enabled'
  const enabled = readText(root, '/sys/module/apparmor/parameters/enabled')
  if (enabled.ok) return [bool(name, enabled.value.trim() === 'Y')]
  // Without its folder the kernel has no AppArmor at all.
  if (enabled.code === 'ENOENT' && isThere(root, '/sys/module')) return [bool(name, false)]
  return [notCollected(name, enabled.reason, 'boolean')]
}

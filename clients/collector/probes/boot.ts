/** How and when this host was started: boot id, time, firmware, Secure Boot. proc(5), UEFI 2.10 §3.3. */

import type { PostureAttribute, Probe } from '../probe.ts'
import { absent, bool, exists, failed, moment, notCollected } from './host/attributes.ts'
import { defineProbe } from './host/define.ts'
import { isThere, readBytes, readText } from './host/files.ts'

const SECURE_BOOT = '/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c'

export const boot: Probe = defineProbe('boot', ['boot.'], ({ root }) => {
  const id = readText(root, '/proc/sys/kernel/random/boot_id')
  return [id.ok ? exists('boot.id', id.value.trim()) : failed('boot.id', id.reason), bootTime(root), ...firmware(root)]
})

function bootTime(root: string): PostureAttribute {
  const stat = readText(root, '/proc/stat', 64 << 20)
  if (!stat.ok) return failed('boot.time', stat.reason, 'datetime')
  const seconds = /^btime (\d+)$/m.exec(stat.value)?.[1]
  return seconds ? moment('boot.time', Number(seconds)) : failed('boot.time', '/proc/stat: no btime line', 'datetime')
}

function firmware(root: string): PostureAttribute[] {
  if (isThere(root, '/sys/firmware/efi')) return [exists('boot.firmware', 'uefi'), secureBoot(root)]
  // Without EFI the kernel finds DMI tables only where a PC BIOS puts them.
  if (isThere(root, '/sys/class/dmi/id'))
    return [exists('boot.firmware', 'bios'), absent('boot.secure-boot', 'boolean')]
  const reason =
    'neither /sys/firmware/efi nor a DMI table is visible (container, direct kernel boot or other firmware)'
  return [notCollected('boot.firmware', reason), notCollected('boot.secure-boot', reason, 'boolean')]
}

function secureBoot(root: string): PostureAttribute {
  const name = 'boot.secure-boot'
  const variable = readBytes(root, SECURE_BOOT)
  if (variable.ok) {
    // Four bytes of attributes, then one of value.
    return variable.value.length === 5
      ? bool(name, variable.value[4] === 1)
      : failed(name, `SecureBoot variable of ${variable.value.length} bytes`, 'boolean')
  }
  const hasVariables = isThere(root, '/sys/firmware/efi/efivars/BootCurrent-8be4df61-93ca-11d2-aa0d-00e098032b8c')
  if (variable.code === 'ENOENT' && hasVariables) return absent(name, 'boolean')
  return notCollected(name, variable.reason, 'boolean')
}

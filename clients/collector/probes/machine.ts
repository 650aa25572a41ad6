/** Which machine this is: machine-id(5), names, DMI or device tree, kind of virtualisation. */

import type { PostureAttribute, Probe, ProbeContext } from '../probe.ts'
import { absent, exists, failed, notCollected } from './host/attributes.ts'
import { defineProbe } from './host/define.ts'
import { isThere, linkTarget, readText } from './host/files.ts'
import { findProgram, runProgram } from './host/programs.ts'

const DETECT_VIRT = ['/usr/bin/systemd-detect-virt', '/bin/systemd-detect-virt']

export const machine: Probe = defineProbe('machine', ['machine.'], async (context) => {
  const { root } = context
  const hostname = readText(root, '/proc/sys/kernel/hostname')
  return [
    machineId(root),
    hostname.ok ? exists('machine.hostname', hostname.value.trim()) : failed('machine.hostname', hostname.reason),
    fqdn(root, hostname.ok ? hostname.value.trim() : undefined),
    hardware(root, 'machine.vendor', ['/sys/class/dmi/id/sys_vendor']),
    hardware(root, 'machine.product', ['/sys/class/dmi/id/product_name', '/proc/device-tree/model']),
    hardware(root, 'machine.serial', ['/sys/class/dmi/id/product_serial', '/proc/device-tree/serial-number']),
    hardware(root, 'machine.uuid', ['/sys/class/dmi/id/product_uuid']),
    timeZone(root),
    await virtualization(context),
  ]
})

function machineId(root: string): PostureAttribute {
  const text = readText(root, '/etc/machine-id')
  if (!text.ok) return text.code === 'ENOENT' ? absent('machine.id') : failed('machine.id', text.reason)
  const id = text.value.trim()
  // An image that has not been started yet says `uninitialized` or nothing.
  if (id === '' || id === 'uninitialized') return absent('machine.id')
  return /^[0-9a-f]{32}$/.test(id)
    ? exists('machine.id', id)
    : failed('machine.id', '/etc/machine-id: not 32 hexadecimal digits')
}

/** What the host's own files say; DNS is not asked, since its answer depends on the network and may take long. */
function fqdn(root: string, hostname: string | undefined): PostureAttribute {
  const name = 'machine.fqdn'
  if (hostname === undefined) return notCollected(name, 'no host name')
  if (hostname.includes('.')) return exists(name, hostname)
  const hosts = readText(root, '/etc/hosts')
  if (!hosts.ok) return notCollected(name, hosts.reason)
  for (const line of hosts.value.split('\n')) {
    const [, canonical, ...aliases] = line.replace(/#.*/, '').trim().split(/\s+/)
    if (!canonical || !aliases.includes(hostname)) continue
    // `127.0.0.1 localhost.localdomain localhost web1` names every host alike.
    if (canonical.includes('.') && !canonical.startsWith('localhost')) return exists(name, canonical)
  }
  return notCollected(name, `host name ${hostname} has no domain, and /etc/hosts gives it none; DNS is not asked`)
}

function hardware(root: string, name: string, paths: readonly string[]): PostureAttribute {
  for (const path of paths) {
    const text = readText(root, path)
    // Device tree strings end with NUL.
    if (text.ok) return exists(name, text.value.replace(/[\0\s]+$/, ''))
    if (text.code !== 'ENOENT') return notCollected(name, text.reason)
  }
  return notCollected(name, `neither DMI nor device tree tells it: no ${paths.join(' or ')}`)
}

function timeZone(root: string): PostureAttribute {
  const name = 'machine.time-zone'
  const target = linkTarget(root, '/etc/localtime')
  if (target.ok) {
    const zone = /zoneinfo\/(?:posix\/|right\/)?(.+)$/.exec(target.value)?.[1]
    return zone ? exists(name, zone) : notCollected(name, `/etc/localtime points to ${target.value}`)
  }
  // Absent is UTC: localtime(5).
  if (target.code === 'ENOENT') return exists(name, 'UTC')
  return notCollected(name, '/etc/localtime is a copy, which does not tell its name')
}

/** In systemd-detect-virt(1)'s words, by it where it is installed. */
async function virtualization(context: ProbeContext): Promise<PostureAttribute> {
  const name = 'machine.virtualization'
  const { root } = context
  const program = root === '/' ? findProgram(DETECT_VIRT) : undefined
  if (program) {
    // Exits 1 with the word `none` on bare metal.
    const run = await runProgram(root, program, [], context.signal)
    const word = run.ok ? run.value.stdout.trim() : ''
    if (/^[a-z0-9-]+$/.test(word)) return exists(name, word)
  }
  const manager = readText(root, '/run/systemd/container')
  if (manager.ok && manager.value.trim() !== '') return exists(name, manager.value.trim())
  if (isThere(root, '/run/.containerenv')) return exists(name, 'podman')
  if (isThere(root, '/.dockerenv')) return exists(name, 'docker')
  const hypervisor = readText(root, '/sys/hypervisor/type')
  if (hypervisor.ok) return exists(name, hypervisor.value.trim())
  const flags = readText(root, '/proc/cpuinfo', 64 << 20)
  const line = flags.ok ? /^flags\s*:(.*)$/m.exec(flags.value)?.[1] : undefined
  if (line === undefined) return notCollected(name, 'no systemd-detect-virt, and /proc/cpuinfo has no flags')
  return exists(name, line.split(' ').includes('hypervisor') ? 'vm-other' : 'none')
}

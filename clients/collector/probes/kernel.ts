/** The running kernel: release, build, architecture, command line and taint. proc(5). */

import { machine as hardwareName } from 'node:os'
import type { PostureAttribute, Probe } from '../probe.ts'
import { exists, failed, notCollected, scalar } from './host/attributes.ts'
import { defineProbe } from './host/define.ts'
import { readText } from './host/files.ts'

export const kernel: Probe = defineProbe('kernel', ['kernel.'], ({ root }) => {
  const read = (name: string, path: string, make: (name: string, text: string) => PostureAttribute = exists) => {
    const text = readText(root, path)
    return text.ok ? make(name, text.value.trimEnd()) : failed(name, text.reason)
  }
  return [
    read('kernel.release', '/proc/sys/kernel/osrelease', (name, text) => exists(name, text, 'version')),
    read('kernel.version', '/proc/sys/kernel/version'),
    read('kernel.cmdline', '/proc/cmdline'),
    read('kernel.tainted', '/proc/sys/kernel/tainted', scalar),
    architecture(root),
  ]
})

function architecture(root: string): PostureAttribute {
  // There since Linux 6.1; uname(2) says the same but only of the host that we run on.
  const text = readText(root, '/proc/sys/kernel/arch')
  if (text.ok) return exists('kernel.architecture', text.value.trimEnd())
  if (root === '/') return exists('kernel.architecture', hardwareName())
  return notCollected('kernel.architecture', text.reason)
}

/** What the kernel says about flaws of the processor and how it copes. Linux: Documentation/ABI/testing/sysfs-devices-system-cpu. */

import type { Probe } from '../probe.ts'
import { exists, failed, notCollected } from './host/attributes.ts'
import { defineProbe } from './host/define.ts'
import { list, readText } from './host/files.ts'

const FOLDER = '/sys/devices/system/cpu/vulnerabilities'

export const cpu: Probe = defineProbe('cpu', ['cpu.'], ({ root }) => {
  const entries = list(root, FOLDER)
  if (!entries.ok) return [notCollected('cpu.vulnerability', entries.reason)]
  return entries.value.map(({ name }) => {
    const text = readText(root, `${FOLDER}/${name}`)
    const attribute = `cpu.vulnerability.${name}`
    return text.ok ? exists(attribute, text.value.trim()) : failed(attribute, text.reason)
  })
})

/** Mounted file systems of the collector's mount namespace, with their options. proc_pid_mountinfo(5). */

import type { PostureAttribute, Probe } from '../probe.ts'
import { exists, failed, scalar } from './host/attributes.ts'
import { defineProbe } from './host/define.ts'
import { decode, readBytes } from './host/files.ts'

const MOUNTINFO = '/proc/self/mountinfo'
const MAX_BYTES = 64 << 20

export interface Mount {
  readonly id: string
  readonly parent: string
  /** Folder of the file system that is mounted, `/` but for bind mounts and subvolumes. */
  readonly folder: string
  readonly target: string
  readonly type: string
  readonly source: string
  /** As mount(8) prints them, sorted. */
  readonly options: readonly string[]
}

export const mounts: Probe = defineProbe('mounts', ['mount.'], ({ root }) => {
  const bytes = readBytes(root, MOUNTINFO, MAX_BYTES)
  if (!bytes.ok) return [failed('mount', bytes.reason)]
  return mountAttributes(parseMountinfo(bytes.value))
})

export function mountAttributes(all: readonly Mount[]): PostureAttribute[] {
  const byTarget = new Map<string, Mount[]>()
  for (const mount of all) byTarget.set(mount.target, [...(byTarget.get(mount.target) ?? []), mount])
  return [...byTarget].flatMap(([target, stack]) => {
    const top = topOf(stack)
    const name = `mount.${target}`
    return [
      exists(`${name}.source`, top.source),
      exists(`${name}.type`, top.type),
      exists(`${name}.options`, top.options.join(',')),
      ...(top.folder === '/' ? [] : [exists(`${name}.folder`, top.folder)]),
      ...(stack.length === 1 ? [] : [scalar(`${name}.layers`, String(stack.length))]),
    ]
  })
}

/** Of several mounts on one target, the one that is seen: no other of them is mounted upon it. */
function topOf(stack: readonly Mount[]): Mount {
  const covered = new Set(stack.map((mount) => mount.parent))
  const top = stack.findLast((mount) => !covered.has(mount.id)) ?? stack.at(-1)
  if (!top) throw new Error('no mount')
  return top
}

/** Takes bytes: a line is split at its blanks before octal escapes become the bytes that they stand for. */
export function parseMountinfo(bytes: Buffer): Mount[] {
  return bytes
    .toString('latin1')
    .split('\n')
    .flatMap((line) => {
      const fields = line.split(' ')
      const dash = fields.indexOf('-', 6)
      const [id, parent, , folder, target, own] = fields
      const [type, source = '', shared = ''] = fields.slice(dash + 1)
      if (!id || !parent || !folder || !target || !own || dash < 0 || !type) return []
      return [
        {
          id,
          parent,
          folder: unoctal(folder),
          target: unoctal(target),
          type: unoctal(type),
          source: unoctal(source),
          options: mergeOptions(splitOptions(unoctal(own)), splitOptions(unoctal(shared))),
        },
      ]
    })
}

/** Those of the mount point and those of the file system; read-only is whatever is so in either. */
function mergeOptions(own: readonly string[], shared: readonly string[]): readonly string[] {
  const all = new Set([...own, ...shared])
  if (all.has('ro')) all.delete('rw')
  return [...all].sort()
}

/** At commas, but not within `context="…:s0:c1,c2"` nor after a backslash. */
function splitOptions(text: string): readonly string[] {
  return text.match(/(?:"[^"]*"|\\.|[^,"\\]|["\\])+/gs) ?? []
}

function unoctal(latin1: string): string {
  const plain = latin1.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
  return decode(Buffer.from(plain, 'latin1'))
}

/** Kernel parameters under /proc/sys, named and written as sysctl(8) -a prints them. */

import type { PostureAttribute, Probe, ProbeContext } from '../probe.ts'
import { exists, failed, notCollected } from './host/attributes.ts'
import { defineProbe } from './host/define.ts'
import { breathe, list, lstatOf, readText } from './host/files.ts'

const ROOT = '/proc/sys'
const MAX_VALUE_READ_BYTES = 1 << 20
const MAX_KEYS = 50_000
const FILES_PER_BREATH = 200

/** Different with every reading: reported as not collected, since a row of history each time would say nothing. */
const VOLATILE = new Set([
  'fs.aio-nr',
  'fs.dentry-state',
  'fs.file-nr',
  'fs.inode-nr',
  'fs.inode-state',
  'kernel.ns_last_pid',
  'kernel.perf_event_max_sample_rate',
  'kernel.pty.nr',
  'kernel.random.entropy_avail',
  'kernel.random.uuid',
  'net.netfilter.nf_conntrack_count',
  'vm.stat_refresh',
])
const VOLATILE_FOLDERS = ['fs.quota.']
/** Keys that whoever may read the repository must not learn. */
const SECRET = /^(?:net\.ipv4\.tcp_fastopen_key|net\.ipv6\.conf\..+\.stable_secret)$/

export const sysctl: Probe = defineProbe('sysctl', ['sysctl.'], async (context) => {
  const attributes: PostureAttribute[] = []
  await walk(context, ROOT, attributes)
  return attributes
})

async function walk(context: ProbeContext, folder: string, into: PostureAttribute[]): Promise<void> {
  const entries = list(context.root, folder)
  if (!entries.ok) {
    into.push(failed(`sysctl${folder === ROOT ? '' : `.${keyOf(folder)}`}`, entries.reason))
    return
  }
  for (const entry of entries.value) {
    const path = `${folder}/${entry.name}`
    if (into.length > MAX_KEYS) throw new Error(`more than ${MAX_KEYS} kernel parameters`)
    if (into.length % FILES_PER_BREATH === 0) await breathe(context.signal)
    if (entry.isDirectory()) await walk(context, path, into)
    else if (entry.isFile()) into.push(...parameter(context.root, path))
  }
}

/** Nothing for a parameter that went away meanwhile, as those of a removed interface do. */
function parameter(root: string, path: string): PostureAttribute[] {
  const key = keyOf(path)
  const name = `sysctl.${key}`
  if (VOLATILE.has(key) || VOLATILE_FOLDERS.some((folder) => key.startsWith(folder))) {
    return [notCollected(name, 'volatile: different with every reading')]
  }
  if (SECRET.test(key)) return [notCollected(name, 'secret: not read')]
  const stat = lstatOf(root, path)
  if (stat.ok && (stat.value.mode & 0o444) === 0) return [notCollected(name, 'can only be written')]
  const text = readText(root, path, MAX_VALUE_READ_BYTES)
  if (!text.ok) return text.code === 'ENOENT' ? [] : [failed(name, text.reason)]
  const value = sysctlValue(text.value)
  return [exists(name, value, /^-?(?:0|[1-9]\d{0,17})$/.test(value) ? 'integer' : 'string')]
}

/** Several lines become one, with a space between. */
export function sysctlValue(text: string): string {
  return text.replace(/\n+$/, '').split('\n').join(' ')
}

/** `/proc/sys/net/ipv4/conf/eth0.100/forwarding` is `net.ipv4.conf.eth0/100.forwarding`: `.` and `/` change places. */
export function keyOf(path: string): string {
  return path.slice(ROOT.length + 1).replace(/[./]/g, (char) => (char === '.' ? '/' : '.'))
}

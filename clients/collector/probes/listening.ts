/**
 * Sockets that wait for peers, with the processes that hold them: TCP in LISTEN, UDP without a peer. proc(5).
 * These are the sockets of the collector's own network namespace.
 */

import { readdirSync, readlinkSync } from 'node:fs'
import { endianness } from 'node:os'
import type { PostureAttribute, Probe, ProbeContext } from '../probe.ts'
import { exists, failed, notCollected, scalar } from './host/attributes.ts'
import { defineProbe } from './host/define.ts'
import { breathe, list, locate, readText } from './host/files.ts'

const MAX_TABLE_BYTES = 256 << 20
const LINKS_PER_BREATH = 2000
/** include/net/tcp_states.h: TCP_LISTEN; an unconnected UDP socket is in TCP_CLOSE. */
const TABLES = [
  { protocol: 'tcp', path: '/proc/net/tcp', state: '0A' },
  { protocol: 'tcp', path: '/proc/net/tcp6', state: '0A' },
  { protocol: 'udp', path: '/proc/net/udp', state: '07' },
  { protocol: 'udp', path: '/proc/net/udp6', state: '07' },
] as const

export interface Socket {
  /** `0.0.0.0:22`, `[::1]:631` */
  readonly local: string
  readonly uid: string
  readonly inode: string
}

interface Holders {
  /** Names of processes by socket inode. */
  readonly names: ReadonlyMap<string, ReadonlySet<string>>
  /** Processes whose descriptors we may not see. */
  readonly hidden: number
}

export const listening: Probe = defineProbe('listening', ['listen.tcp.', 'listen.udp.'], async (context) => {
  const attributes: PostureAttribute[] = []
  const byAddress = new Map<string, Socket[]>()
  for (const { protocol, path, state } of TABLES) {
    const table = readText(context.root, path, MAX_TABLE_BYTES)
    if (table.ok) {
      for (const socket of parseSockets(table.value, state)) {
        const key = `listen.${protocol}.${socket.local}`
        byAddress.set(key, [...(byAddress.get(key) ?? []), socket])
      }
    } else if (table.code !== 'ENOENT' || !path.endsWith('6')) {
      // A kernel without IPv6 has no tables of it: no such socket then.
      attributes.push(failed(`listen.${protocol}`, table.reason))
    }
  }
  const wanted = new Set([...byAddress.values()].flat().map((socket) => socket.inode))
  const holders = await findHolders(context, wanted)
  for (const [name, sockets] of byAddress) {
    attributes.push(processOf(`${name}.process`, sockets, holders))
    attributes.push(scalar(`${name}.uid`, [...new Set(sockets.map((socket) => socket.uid))].sort().join(',')))
  }
  return attributes
})

/** Rows of /proc/net/tcp and its kin that are in `state` and have no peer. */
export function parseSockets(table: string, state: string): Socket[] {
  return table
    .split('\n')
    .slice(1)
    .flatMap((row) => {
      const [, local, peer, st, , , , uid, , inode] = row.trim().split(/\s+/)
      if (!local || !peer || !uid || !inode || st !== state || !/^0+:0000$/.test(peer)) return []
      return [{ local: formatLocal(local), uid, inode }]
    })
}

/** `0100007F:0016` to `127.0.0.1:22`. The address is 32-bit words as the CPU stores them, the port a number. */
export function formatLocal(text: string, order: 'BE' | 'LE' = endianness()): string {
  const [hex = '', port = '0'] = text.split(':')
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) => {
    const inOrder = [...Buffer.from(word, 'hex')]
    return order === 'LE' ? inOrder.reverse() : inOrder
  })
  return `${bytes.length === 4 ? bytes.join('.') : `[${formatIpv6(bytes)}]`}:${Number.parseInt(port, 16)}`
}

/** RFC 5952 §4 and, for mapped IPv4, §5. */
function formatIpv6(bytes: readonly number[]): string {
  const groups = Array.from({ length: 8 }, (_, n) => ((bytes[n * 2] ?? 0) << 8) | (bytes[n * 2 + 1] ?? 0))
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return `::ffff:${bytes.slice(12).join('.')}`
  }
  let best = { at: -1, length: 1 }
  for (let at = 0; at < 8; at += 1) {
    let length = 0
    while (groups[at + length] === 0) length += 1
    if (length > best.length) best = { at, length }
  }
  const hex = groups.map((group) => group.toString(16))
  if (best.at < 0) return hex.join(':')
  return `${hex.slice(0, best.at).join(':')}::${hex.slice(best.at + best.length).join(':')}`
}

function processOf(name: string, sockets: readonly Socket[], holders: Holders): PostureAttribute {
  const held = sockets.map((socket) => holders.names.get(socket.inode))
  if (held.every((names) => names !== undefined)) {
    return exists(name, [...new Set(held.flatMap((names) => [...names]))].sort().join(','))
  }
  return notCollected(
    name,
    holders.hidden > 0
      ? `the descriptors of ${holders.hidden} processes may not be read`
      : 'no process visible here holds it: the kernel does, or a process that is hidden or of another PID namespace',
  )
}

/** Walks /proc/<pid>/fd. Processes and descriptors that are gone by the time they are looked at hold nothing. */
async function findHolders({ root, signal }: ProbeContext, wanted: ReadonlySet<string>): Promise<Holders> {
  const names = new Map<string, Set<string>>()
  let hidden = 0
  let links = 0
  const processes = list(root, '/proc')
  if (!processes.ok) return { names, hidden: 1 }
  for (const { name: pid } of processes.value) {
    if (!/^\d+$/.test(pid)) continue
    const folder = locate(root, `/proc/${pid}/fd`)
    let descriptors: string[]
    try {
      descriptors = readdirSync(folder)
    } catch (error) {
      if (isDenied(error)) hidden += 1
      continue
    }
    let comm: string | undefined
    for (const descriptor of descriptors) {
      links += 1
      if (links % LINKS_PER_BREATH === 0) await breathe(signal)
      const inode = socketInode(`${folder}/${descriptor}`)
      // Root without CAP_SYS_PTRACE, as in a container, may list descriptors but not see what they are.
      if (inode === null) {
        hidden += 1
        break
      }
      if (inode === undefined || !wanted.has(inode)) continue
      comm ??= processName(root, pid)
      names.set(inode, (names.get(inode) ?? new Set()).add(comm))
    }
  }
  return { names, hidden }
}

/** Undefined for what is no socket, or is closed by now; null when it may not be seen. */
function socketInode(path: string): string | null | undefined {
  try {
    return /^socket:\[(\d+)\]$/.exec(readlinkSync(path))?.[1]
  } catch (error) {
    return isDenied(error) ? null : undefined
  }
}

function processName(root: string, pid: string): string {
  const comm = readText(root, `/proc/${pid}/comm`)
  return comm.ok ? comm.value.replace(/\n$/, '') : `pid-${pid}`
}

function isDenied(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EACCES' || error.code === 'EPERM')
}

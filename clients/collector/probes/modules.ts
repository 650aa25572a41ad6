/** Loaded kernel modules, and those that may not be loaded. proc_modules(5), modprobe.d(5). */

import type { PostureAttribute, Probe } from '../probe.ts'
import { bool, exists, failed, notCollected } from './host/attributes.ts'
import { defineProbe } from './host/define.ts'
import { isThere, list, readText } from './host/files.ts'

/** In the order of precedence: a file shadows those of the same name in later folders. */
const FOLDERS = [
  '/etc/modprobe.d',
  '/run/modprobe.d',
  '/usr/local/lib/modprobe.d',
  '/usr/lib/modprobe.d',
  '/lib/modprobe.d',
]

export interface ModprobeRules {
  /** Command by module; the first one holds. */
  readonly install: ReadonlyMap<string, string>
  readonly blacklist: ReadonlySet<string>
}

export const modules: Probe = defineProbe('modules', ['module.', 'modprobe.'], ({ root }) => [
  ...loaded(root),
  ...configured(root),
])

function loaded(root: string): PostureAttribute[] {
  const table = readText(root, '/proc/modules', 16 << 20)
  if (table.ok) return [bool('module.support', true), ...parseModules(table.value)]
  // A kernel built without modules has neither the table nor the switch that forbids loading more.
  const isMonolithic = table.code === 'ENOENT' && isThere(root, '/proc/sys/kernel') === true
  if (isMonolithic && isThere(root, '/proc/sys/kernel/modules_disabled') === false)
    return [bool('module.support', false)]
  return [notCollected('module.support', table.reason, 'boolean')]
}

/** Name, size, uses, users, state, address. */
function parseModules(text: string): PostureAttribute[] {
  return text.split('\n').flatMap((line) => {
    const [name, , , , state] = line.split(' ')
    return name && state ? [exists(`module.${name}.state`, state.toLowerCase())] : []
  })
}

function configured(root: string): PostureAttribute[] {
  const attributes: PostureAttribute[] = []
  const paths = new Map<string, string>()
  for (const folder of FOLDERS) {
    const entries = list(root, folder)
    if (!entries.ok && entries.code !== 'ENOENT') attributes.push(failed(`modprobe.${folder}`, entries.reason))
    for (const { name } of entries.ok ? entries.value : []) {
      if (name.endsWith('.conf') && !paths.has(name)) paths.set(name, `${folder}/${name}`)
    }
  }
  const texts: string[] = []
  for (const name of [...paths.keys()].sort()) {
    const path = paths.get(name) ?? ''
    const text = readText(root, path)
    if (text.ok) texts.push(text.value)
    else attributes.push(failed(`modprobe.${path}`, text.reason))
  }
  const cmdline = readText(root, '/proc/cmdline')
  const rules = parseModprobe(texts, cmdline.ok ? cmdline.value : '')
  for (const [module, command] of rules.install) attributes.push(exists(`modprobe.${module}.install`, command))
  for (const module of rules.blacklist) attributes.push(bool(`modprobe.${module}.blacklist`, true))
  return attributes
}

/** `-` and `_` are the same in a module's name: written `_`, as the kernel does. */
export function parseModprobe(texts: readonly string[], cmdline: string): ModprobeRules {
  const install = new Map<string, string>()
  const blacklist = new Set<string>()
  for (const line of texts.flatMap((text) => text.replace(/\\\n/g, ' ').split('\n'))) {
    const match = /^\s*(install|blacklist)\s+(\S+)\s*(.*)$/.exec(line)
    const module = match?.[2]?.replaceAll('-', '_')
    if (!match || !module) continue
    if (match[1] === 'blacklist') blacklist.add(module)
    else if (!install.has(module)) install.set(module, match[3]?.trim() ?? '')
  }
  for (const word of cmdline.trim().split(/\s+/)) {
    const names = /^(?:modprobe\.blacklist|module_blacklist)=(.*)$/.exec(word)?.[1]
    for (const name of names?.split(',') ?? []) if (name) blacklist.add(name.replaceAll('-', '_'))
  }
  return { install, blacklist }
}

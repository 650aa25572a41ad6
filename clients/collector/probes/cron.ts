/** What cron runs: entries of its tables and the scripts of its folders. crontab(5), run-parts(8), anacrontab(5). */

import type { PostureAttribute, Probe } from '../probe.ts'
import { bool, exists, failed } from './host/attributes.ts'
import { defineProbe } from './host/define.ts'
import { isThere, list, lstatOf, readText } from './host/files.ts'

const TABLES = ['/etc/crontab', '/etc/anacrontab']
/** Debian's, Red Hat's and Alpine's places of users' tables, besides the system's own folder. */
const TABLE_FOLDERS = ['/etc/cron.d', '/var/spool/cron/crontabs', '/var/spool/cron', '/etc/crontabs']
const SCRIPT_FOLDERS = ['/etc/cron.hourly', '/etc/cron.daily', '/etc/cron.weekly', '/etc/cron.monthly']
const DAEMONS = ['/usr/sbin/cron', '/usr/sbin/crond', '/sbin/crond', '/usr/sbin/fcron']

export const cron: Probe = defineProbe('cron', ['cron.'], ({ root }) => {
  const attributes: PostureAttribute[] = []
  const tables = new Set(TABLES.filter((path) => isThere(root, path) !== false))
  const isPresent = tables.size > 0 || [...DAEMONS, '/etc/cron.d'].some((path) => isThere(root, path))
  for (const folder of TABLE_FOLDERS) {
    const entries = list(root, folder)
    if (!entries.ok && entries.code !== 'ENOENT') attributes.push(failed(`cron.${folder}`, entries.reason))
    // Editors and package managers leave files behind that cron does not read.
    for (const entry of entries.ok ? entries.value : []) {
      if (!entry.isDirectory() && !/^\.|~$|\.dpkg-/.test(entry.name)) tables.add(`${folder}/${entry.name}`)
    }
  }
  for (const path of tables) attributes.push(...table(root, path))
  for (const folder of SCRIPT_FOLDERS) attributes.push(...scripts(root, folder))
  return [bool('cron.present', isPresent), ...attributes]
})

function table(root: string, path: string): PostureAttribute[] {
  const text = readText(root, path)
  if (!text.ok) return [failed(`cron.${path}`, text.reason)]
  return cronEntries(text.value).map((entry, index) => exists(`cron.${path}.${index + 1}`, entry))
}

/** Lines that say something, settings of variables included, in their order. */
function cronEntries(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
}

function scripts(root: string, folder: string): PostureAttribute[] {
  const entries = list(root, folder)
  if (!entries.ok) return entries.code === 'ENOENT' ? [] : [failed(`cron.${folder}`, entries.reason)]
  return entries.value.flatMap(({ name }) => {
    if (name.startsWith('.')) return []
    const path = `${folder}/${name}`
    const stat = lstatOf(root, path)
    if (!stat.ok) return [failed(`cron.${path}.executable`, stat.reason, 'boolean')]
    return [bool(`cron.${path}.executable`, (stat.value.mode & 0o111) !== 0)]
  })
}

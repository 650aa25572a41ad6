/** Rules for accounts, passwords and sessions. login.defs(5), pwquality.conf(5), faillock.conf(5), limits.conf(5). */

import type { PostureAttribute, Probe } from '../probe.ts'
import { bool, exists, failed, notCollected, scalar } from './host/attributes.ts'
import { defineProbe } from './host/define.ts'
import { list, type Outcome, readText } from './host/files.ts'

export const accountsPolicy: Probe = defineProbe(
  'accounts-policy',
  ['login-defs.', 'pwquality.', 'faillock.', 'limits.', 'profile.'],
  ({ root }) => [
    ...loginDefs(root),
    ...settings(root, 'pwquality', ['/etc/security/pwquality.conf', ...confs(root, '/etc/security/pwquality.conf.d')]),
    ...settings(root, 'faillock', ['/etc/security/faillock.conf']),
    ...limits(root),
    ...profiles(root),
  ],
)

/** Alpine and others without shadow-utils have no such file: nothing is there to report then. */
function loginDefs(root: string): PostureAttribute[] {
  // The vendor's own place, which openSUSE uses.
  const texts = ['/etc/login.defs', '/usr/etc/login.defs'].map((path) => readText(root, path))
  const text = texts.find((outcome) => outcome.ok) ?? texts.find((outcome) => !outcome.ok && outcome.code !== 'ENOENT')
  if (!text) return [bool('login-defs.present', false)]
  if (!text.ok) return [failed('login-defs.present', text.reason, 'boolean')]
  const values = [...parseLoginDefs(text.value)].map(([key, value]) => scalar(`login-defs.${key.toLowerCase()}`, value))
  return [bool('login-defs.present', true), ...values]
}

/** A key and the rest of the line, quotes taken off; the last line of a key holds. */
export function parseLoginDefs(text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>()
  for (const line of text.split('\n')) {
    const match = /^\s*([A-Za-z0-9_]+)\s+(.*)$/.exec(line)
    if (match?.[1] && match[2] !== undefined) values.set(match[1], match[2].trim().replace(/^"([^"]*)".*$/, '$1'))
  }
  return values
}

/** `key = value` or a bare `key`, later files over earlier ones. */
function settings(root: string, prefix: string, paths: readonly string[]): PostureAttribute[] {
  const values = new Map<string, string | true>()
  const attributes: PostureAttribute[] = []
  for (const path of paths) {
    const text = readText(root, path)
    if (text.ok) for (const [key, value] of parseSettings(text.value)) values.set(key, value)
    else if (text.code !== 'ENOENT') attributes.push(failed(`${prefix}.${path}`, text.reason))
  }
  for (const [key, value] of values) {
    attributes.push(value === true ? bool(`${prefix}.${key}`, true) : scalar(`${prefix}.${key}`, value))
  }
  return attributes
}

function parseSettings(text: string): ReadonlyMap<string, string | true> {
  const values = new Map<string, string | true>()
  for (const line of text.split('\n')) {
    const match = /^([A-Za-z0-9_]+)\s*(?:=\s*(.*))?$/.exec(line.replace(/#.*/, '').trim())
    if (match?.[1]) values.set(match[1], match[2] === undefined ? true : match[2].trim())
  }
  return values
}

function limits(root: string): PostureAttribute[] {
  const values = new Map<string, string>()
  const attributes: PostureAttribute[] = []
  for (const path of ['/etc/security/limits.conf', ...confs(root, '/etc/security/limits.d')]) {
    const text = readText(root, path)
    if (text.ok) for (const [key, value] of parseLimits(text.value)) values.set(key, value)
    else if (text.code !== 'ENOENT') attributes.push(failed(`limits.${path}`, text.reason))
  }
  return [...attributes, ...[...values].map(([key, value]) => scalar(`limits.${key}`, value))]
}

/** `<domain> <type> <item> <value>` to `<domain>.<type>.<item>`; a type of `-` sets both soft and hard. */
export function parseLimits(text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [domain, type, item, value] = line.replace(/#.*/, '').trim().split(/\s+/)
    if (!domain || !type || !item || value === undefined) continue
    for (const kind of type === '-' ? ['soft', 'hard'] : [type.toLowerCase()]) {
      values.set(`${domain}.${kind}.${item.toLowerCase()}`, value)
    }
  }
  return values
}

const PROFILES = ['/etc/profile', '/etc/bash.bashrc', '/etc/bashrc']

/** `umask` and `TMOUT` where a shell's start-up file sets them on a line of their own; the script is not interpreted. */
function profiles(root: string): PostureAttribute[] {
  const folder = list(root, '/etc/profile.d')
  const scripts = folder.ok ? folder.value.filter(({ name }) => name.endsWith('.sh')) : []
  const paths = [...PROFILES, ...scripts.map(({ name }) => `/etc/profile.d/${name}`)]
  return paths.flatMap((path) => {
    const text = readText(root, path)
    if (!text.ok) return text.code === 'ENOENT' ? [] : [notCollected(`profile.${path}.umask`, text.reason)]
    return [
      ...assigned(`profile.${path}.umask`, text.value, /^\s*umask\s+([0-7]{3,4}|[ugoa][ugoa=rwx,+-]*)\s*(?:[;#].*)?$/),
      ...assigned(
        `profile.${path}.tmout`,
        text.value,
        /^\s*(?:(?:declare\s+-\w+|typeset\s+-\w+|readonly|export)\s+)?TMOUT=(\d+)\b/,
      ),
    ]
  })
}

function assigned(name: string, text: string, pattern: RegExp): PostureAttribute[] {
  const values = text.split('\n').flatMap((line) => pattern.exec(line)?.[1] ?? [])
  return values.length === 0 ? [] : [exists(name, values.join(','))]
}

function confs(root: string, folder: string): readonly string[] {
  const entries: Outcome<readonly { readonly name: string }[]> = list(root, folder)
  return entries.ok
    ? entries.value.filter(({ name }) => name.endsWith('.conf')).map(({ name }) => `${folder}/${name}`)
    : []
}

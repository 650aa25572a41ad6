/**
 * Local accounts of /etc/passwd and the state of their passwords in /etc/shadow; never a hash. passwd(5), shadow(5),
 * crypt(5). Accounts of directories (LDAP, SSSD) are not enumerated.
 */

import type { PostureAttribute, Probe } from '../probe.ts'
import { type Entry, parseEntries } from './host/account-files.ts'
import { absent, bool, exists, failed, moment, notCollected, scalar } from './host/attributes.ts'
import { defineProbe } from './host/define.ts'
import { type Outcome, readText } from './host/files.ts'

type PasswordState = 'locked' | 'set' | 'empty' | 'none'

const DAY_SECONDS = 86_400
/** Fields of shadow(5) that are days, by place. */
const AGING = [
  [3, 'password-min-days'],
  [4, 'password-max-days'],
  [5, 'password-warn-days'],
  [6, 'password-inactive-days'],
] as const

export const users: Probe = defineProbe('users', ['user.', 'passwd.', 'shadow.'], ({ root }) => {
  const passwd = readText(root, '/etc/passwd')
  if (!passwd.ok) return [failed('user', passwd.reason)]
  const shadow = readText(root, '/etc/shadow')
  return userAttributes(passwd.value, shadow)
})

export function userAttributes(passwd: string, shadow: Outcome<string>): PostureAttribute[] {
  const attributes: PostureAttribute[] = []
  const shadowByName = new Map<string, Entry>()
  for (const entry of shadow.ok ? parseEntries(shadow.value, 9) : []) {
    // getspnam takes the first.
    if (!shadowByName.has(entry.name)) shadowByName.set(entry.name, entry)
    else attributes.push(failed(`shadow.${entry.name}.duplicate`, 'another line of this name, which nothing reads'))
  }
  const seen = new Set<string>()
  for (const entry of parseEntries(passwd, 7, [2, 3])) {
    if (!entry.ok) {
      attributes.push(failed(`passwd.line.${entry.line}`, `/etc/passwd ${entry.reason}`))
      continue
    }
    const [, password = '', uid = '', gid = '', , home = '', shell = ''] = entry.fields
    seen.add(entry.name)
    const name = `user.${entry.label}`
    attributes.push(scalar(`${name}.uid`, uid), scalar(`${name}.gid`, gid))
    attributes.push(exists(`${name}.home`, home), exists(`${name}.shell`, shell))
    attributes.push(...passwordAttributes(name, password, shadow, shadowByName.get(entry.name)))
  }
  for (const name of shadowByName.keys()) if (!seen.has(name)) attributes.push(bool(`shadow.${name}.orphan`, true))
  return attributes
}

function passwordAttributes(
  user: string,
  inPasswd: string,
  shadow: Outcome<string>,
  entry: Entry | undefined,
): PostureAttribute[] {
  const names = ['password-algorithm', 'password-last-change', ...AGING.map(([, key]) => key), 'expires']
  const all = (make: (name: string) => PostureAttribute) => ['password', ...names].map((key) => make(`${user}.${key}`))
  const aging = (make: (name: string) => PostureAttribute) => names.slice(1).map((key) => make(`${user}.${key}`))
  // Only an `x` sends to the shadow file for the password; the aging is there all the same.
  const own = inPasswd === 'x' ? [] : passwordState(user, inPasswd)
  const rest = inPasswd === 'x' ? all : aging
  if (!shadow.ok) return [...own, ...rest((name) => notCollected(name, shadow.reason))]
  if (!entry) return [...own, ...rest((name) => absent(name))]
  if (!entry.ok) return [...own, ...rest((name) => failed(name, `/etc/shadow ${entry.reason}`))]
  const [, hash = '', lastChange = ''] = entry.fields
  return [
    ...(inPasswd === 'x' ? passwordState(user, hash) : own),
    lastChangeOf(`${user}.password-last-change`, lastChange),
    ...AGING.map(([place, key]) => days(`${user}.${key}`, entry.fields[place] ?? '')),
    expiry(`${user}.expires`, entry.fields[7] ?? ''),
  ]
}

function passwordState(user: string, field: string): PostureAttribute[] {
  const { state, algorithm } = parsePassword(field)
  const name = `${user}.password-algorithm`
  return [exists(`${user}.password`, state), algorithm === undefined ? absent(name) : exists(name, algorithm)]
}

/**
 * `empty`: no password is asked. `locked`: begins with `!`, as usermod -L writes it. `set`: a hash. `none`: anything
 * that no password can match (`*`).
 */
export function parsePassword(field: string): { state: PasswordState; algorithm: string | undefined } {
  if (field === '') return { state: 'empty', algorithm: undefined }
  if (field.startsWith('!')) return { state: 'locked', algorithm: algorithmOf(field.replace(/^!+/, '')) }
  const algorithm = algorithmOf(field)
  return { state: algorithm === undefined ? 'none' : 'set', algorithm }
}

/** By prefix. crypt(5) "Available hashing methods". */
const ALGORITHMS: Readonly<Record<string, string>> = {
  '1': 'md5',
  '2a': 'bcrypt',
  '2b': 'bcrypt',
  '2x': 'bcrypt',
  '2y': 'bcrypt',
  '3': 'nt',
  '5': 'sha256',
  '6': 'sha512',
  '7': 'scrypt',
  gy: 'gost-yescrypt',
  md5: 'sunmd5',
  sha1: 'sha1',
  y: 'yescrypt',
}

function algorithmOf(hash: string): string | undefined {
  const prefix = /^\$([a-z0-9]+)[$,]/.exec(hash)?.[1]
  if (prefix !== undefined) return Object.hasOwn(ALGORITHMS, prefix) ? ALGORITHMS[prefix] : 'unknown'
  if (/^_[./0-9A-Za-z]{19}$/.test(hash)) return 'bsdicrypt'
  return /^[./0-9A-Za-z]{13}$/.test(hash) ? 'descrypt' : undefined
}

function lastChangeOf(name: string, text: string): PostureAttribute {
  if (text === '') return exists(name, 'never')
  // shadow(5): 0 means that the password must be changed at the next login.
  if (text === '0') return exists(name, 'must-change')
  return /^\d{1,7}$/.test(text)
    ? moment(name, Number(text) * DAY_SECONDS)
    : failed(name, '/etc/shadow: not a number of days', 'datetime')
}

function expiry(name: string, text: string): PostureAttribute {
  if (text === '' || text === '-1') return exists(name, 'never')
  return /^\d{1,7}$/.test(text)
    ? moment(name, Number(text) * DAY_SECONDS)
    : failed(name, '/etc/shadow: not a number of days', 'datetime')
}

function days(name: string, text: string): PostureAttribute {
  if (text === '') return absent(name, 'integer')
  return /^-?\d{1,10}$/.test(text) ? scalar(name, text) : failed(name, '/etc/shadow: not a number of days', 'integer')
}

/** Settings of sudo, and how many of its rules ask for no password; not who may run what. sudoers(5). */

import type { PostureAttribute, Probe } from '../probe.ts'
import { bool, exists, notCollected, scalar } from './host/attributes.ts'
import { defineProbe } from './host/define.ts'
import { isThere, list, readText } from './host/files.ts'

const SUDOERS = '/etc/sudoers'
const FOLDER = '/etc/sudoers.d'

export const sudo: Probe = defineProbe('sudo', ['sudo.'], ({ root }) => {
  const isPresent = isThere(root, SUDOERS) !== false
  if (!isPresent) return [bool('sudo.present', false)]
  const entries = list(root, FOLDER)
  const attributes: PostureAttribute[] = [bool('sudo.present', true)]
  if (!entries.ok && entries.code !== 'ENOENT') attributes.push(notCollected(`sudo.${FOLDER}`, entries.reason))
  // sudoers(5): names that contain a dot or end in a tilde are skipped.
  const names = entries.ok ? entries.value.map(({ name }) => name).filter((name) => !/\.|~$/.test(name)) : []
  for (const path of [SUDOERS, ...names.map((name) => `${FOLDER}/${name}`)]) attributes.push(...sudoers(root, path))
  return attributes
})

function sudoers(root: string, path: string): PostureAttribute[] {
  const text = readText(root, path)
  if (!text.ok) {
    return [
      notCollected(`sudo.${path}.defaults`, text.reason),
      notCollected(`sudo.${path}.nopasswd`, text.reason, 'integer'),
    ]
  }
  const { defaults, withoutPassword } = parseSudoers(text.value)
  return [
    ...defaults.map((line, index) => exists(`sudo.${path}.${index + 1}`, line)),
    scalar(`sudo.${path}.nopasswd`, String(withoutPassword)),
  ]
}

/** `Defaults` lines, blanks collapsed; and how many lines carry NOPASSWD or !authenticate. */
export function parseSudoers(text: string): { readonly defaults: readonly string[]; readonly withoutPassword: number } {
  const lines = text
    .replace(/\\\n/g, ' ')
    .split('\n')
    .map((line) => line.trim().replace(/\s+/g, ' '))
    .filter((line) => line !== '' && !line.startsWith('#'))
  return {
    defaults: lines.filter((line) => /^Defaults\b/.test(line)),
    withoutPassword: lines.filter((line) => /\bNOPASSWD\s*:|^Defaults\b.*!authenticate\b/.test(line)).length,
  }
}

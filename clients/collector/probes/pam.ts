/** The stacks of PAM that decide over log-ins and passwords. pam.conf(5). */

import type { PostureAttribute, Probe } from '../probe.ts'
import { exists, notCollected } from './host/attributes.ts'
import { defineProbe } from './host/define.ts'
import { readText } from './host/files.ts'

/** Debian's common files, Red Hat's and Alpine's stacks, and the services that a server has. */
const FILES = [
  'common-account',
  'common-auth',
  'common-password',
  'common-session',
  'common-session-noninteractive',
  'system-auth',
  'password-auth',
  'postlogin',
  'base-auth',
  'base-password',
  'login',
  'other',
  'sshd',
  'su',
  'sudo',
]

/** `pam.<file>.<n>`, one a line. */
export const pam: Probe = defineProbe('pam', ['pam.'], ({ root }) =>
  FILES.flatMap((file): PostureAttribute[] => {
    const text = readText(root, `/etc/pam.d/${file}`)
    if (text.ok) return pamLines(text.value).map((line, index) => exists(`pam.${file}.${index + 1}`, line))
    return text.code === 'ENOENT' ? [] : [notCollected(`pam.${file}`, text.reason)]
  }),
)

/** Rules without comments, continued lines joined, each run of blanks one space: they mean the same to PAM. */
export function pamLines(text: string): string[] {
  return text
    .replace(/\\\n/g, ' ')
    .split('\n')
    .map((line) =>
      line
        .replace(/(?<!\\)#.*/, '')
        .trim()
        .replace(/\s+/g, ' '),
    )
    .filter((line) => line !== '')
}

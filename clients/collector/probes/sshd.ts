/**
 * What the SSH server does, as `sshd -T` prints it: the effective settings for a connection that no Match block
 * changes. sshd(8), sshd_config(5).
 */

import type { PostureAttribute, Probe, ProbeContext } from '../probe.ts'
import { bool, exists, failed, notCollected, scalar } from './host/attributes.ts'
import { defineProbe } from './host/define.ts'
import { isThere, type Outcome } from './host/files.ts'
import { complaint, findProgram, runProgram } from './host/programs.ts'

const SSHD = ['/usr/sbin/sshd', '/usr/local/sbin/sshd', '/sbin/sshd']
/**
 * `-T` tests host keys and the privilege separation folder too; `-G` (OpenSSH 9.3) only reads the configuration and
 * prints the same, so it helps where keys may not be read.
 */
const QUESTIONS = ['-T', '-G'] as const

/** What policies ask for: reported with the reason when it cannot be had. */
const WANTED = [
  'allowagentforwarding',
  'allowtcpforwarding',
  'authorizedkeysfile',
  'banner',
  'challengeresponseauthentication',
  'ciphers',
  'clientalivecountmax',
  'clientaliveinterval',
  'disableforwarding',
  'gatewayports',
  'gssapiauthentication',
  'hostbasedauthentication',
  'hostkey',
  'hostkeyalgorithms',
  'ignorerhosts',
  'kbdinteractiveauthentication',
  'kexalgorithms',
  'listenaddress',
  'logingracetime',
  'loglevel',
  'macs',
  'maxauthtries',
  'maxsessions',
  'maxstartups',
  'passwordauthentication',
  'permitemptypasswords',
  'permitrootlogin',
  'permittunnel',
  'permituserenvironment',
  'port',
  'pubkeyauthentication',
  'strictmodes',
  'usepam',
  'x11forwarding',
]

export const sshd: Probe = defineProbe('sshd', ['sshd.'], async (context) => {
  const { root } = context
  const program = root === '/' ? findProgram(SSHD) : SSHD.find((path) => isThere(root, path))
  if (!program) return [bool('sshd.installed', false)]
  const settings = await ask(context, program)
  if (!settings.ok) {
    return [
      bool('sshd.installed', true),
      notCollected('sshd', settings.reason),
      failed('sshd.config', settings.reason),
      ...WANTED.map((keyword) => notCollected(`sshd.${keyword}`, settings.reason)),
    ]
  }
  return [bool('sshd.installed', true), ...settingAttributes(settings.value)]
})

async function ask({ root, signal }: ProbeContext, program: string): Promise<Outcome<string>> {
  let reason: string | undefined
  for (const question of QUESTIONS) {
    const run = await runProgram(root, program, [question], signal)
    if (run.ok && run.value.exitCode === 0 && /^port \d+$/m.test(run.value.stdout)) {
      return { ok: true, value: run.value.stdout }
    }
    // The first complaint is the one that tells: an old sshd does not know -G.
    reason ??= run.ok ? complaint(run.value) : run.reason
  }
  return { ok: false, code: 'ERUN', reason: reason ?? program }
}

/** One keyword a line; those that come several times (`hostkey`, `acceptenv`) are joined with commas in their order. */
export function settingAttributes(text: string): PostureAttribute[] {
  const settings = new Map<string, string[]>()
  for (const line of text.split('\n')) {
    const match = /^([A-Za-z0-9]+)(?:\s+(.*))?$/.exec(line.trimEnd())
    if (!match?.[1]) continue
    const keyword = match[1].toLowerCase()
    settings.set(keyword, [...(settings.get(keyword) ?? []), match[2] ?? ''])
  }
  return [...settings].map(([keyword, values]) => {
    const name = `sshd.${keyword}`
    return values.length === 1 ? scalar(name, values[0] ?? '') : exists(name, values.join(','))
  })
}

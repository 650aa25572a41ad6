/** Whether packets are filtered: nftables, tables of the older iptables, ufw. nft(8), libnftables-json(5). */

import type { PostureAttribute, Probe, ProbeContext } from '../probe.ts'
import { absent, bool, exists, failed, notCollected, scalar } from './host/attributes.ts'
import { defineProbe } from './host/define.ts'
import { isThere, type Outcome, readText } from './host/files.ts'
import { complaint, findProgram, runProgram } from './host/programs.ts'

const NFT = ['/usr/sbin/nft', '/sbin/nft']
const HOOKS = ['input', 'forward', 'output'] as const

export interface Ruleset {
  readonly rules: number
  /** Chains that the kernel calls, with where and what happens to packets that no rule decided. */
  readonly chains: readonly { readonly hook: string; readonly policy: string }[]
}

export const firewall: Probe = defineProbe('firewall', ['firewall.'], async (context) => [
  ...(await nftables(context)),
  tables(context.root, 'iptables', '/proc/net/ip_tables_names'),
  tables(context.root, 'ip6tables', '/proc/net/ip6_tables_names'),
  ...ufw(context.root),
])

async function nftables(context: ProbeContext): Promise<PostureAttribute[]> {
  const ruleset = await askNft(context)
  if (!ruleset.ok) {
    const names = ['rules', 'chains', ...HOOKS.map((hook) => `${hook}.policies`)]
    return names.map((name) => notCollected(`firewall.nftables.${name}`, ruleset.reason))
  }
  const { rules, chains } = ruleset.value
  return [
    scalar('firewall.nftables.rules', String(rules)),
    scalar('firewall.nftables.chains', String(chains.length)),
    ...HOOKS.map((hook) => {
      const policies = new Set(chains.filter((chain) => chain.hook === hook).map(({ policy }) => policy))
      const name = `firewall.nftables.${hook}.policies`
      return policies.size === 0 ? absent(name) : exists(name, [...policies].sort().join(','))
    }),
  ]
}

async function askNft({ root, signal }: ProbeContext): Promise<Outcome<Ruleset>> {
  const refused = (reason: string) => ({ ok: false, code: 'ERUN', reason }) as const
  // Asking would load the module: with modules there and this one not loaded, there are no rules either.
  if (isThere(root, '/proc/modules') && isThere(root, '/sys/module/nf_tables') === false) {
    return { ok: true, value: { rules: 0, chains: [] } }
  }
  const program = root === '/' ? findProgram(NFT) : NFT[0]
  if (!program) return refused(`none of ${NFT.join(', ')} is installed`)
  const run = await runProgram(root, program, ['--json', 'list', 'ruleset'], signal)
  if (!run.ok) return run
  if (run.value.exitCode !== 0) return refused(complaint(run.value))
  return parseRuleset(run.value.stdout)
}

export function parseRuleset(text: string): Outcome<Ruleset> {
  const wrong = { ok: false, code: 'EINVAL', reason: 'nft printed something else than a rule set' } as const
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    return wrong
  }
  const objects = field(parsed, 'nftables')
  if (!Array.isArray(objects)) return wrong
  const list: readonly unknown[] = objects
  const rules = list.filter((object) => field(object, 'rule') !== undefined).length
  const chains = list.flatMap((object) => {
    const hook = field(field(object, 'chain'), 'hook')
    const policy = field(field(object, 'chain'), 'policy')
    // A base chain without a policy accepts. nft(8)
    return typeof hook === 'string' ? [{ hook, policy: typeof policy === 'string' ? policy : 'accept' }] : []
  })
  return { ok: true, value: { rules, chains } }
}

function field(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined
}

function tables(root: string, kind: string, path: string): PostureAttribute {
  const name = `firewall.${kind}.tables`
  const text = readText(root, path)
  if (text.ok) return exists(name, text.value.trim().split('\n').filter(Boolean).sort().join(','))
  // The module makes the file.
  return text.code === 'ENOENT' ? absent(name) : notCollected(name, text.reason)
}

function ufw(root: string): PostureAttribute[] {
  const text = readText(root, '/etc/ufw/ufw.conf')
  if (!text.ok) return text.code === 'ENOENT' ? [] : [failed('firewall.ufw.enabled', text.reason, 'boolean')]
  return [bool('firewall.ufw.enabled', /^\s*ENABLED\s*=\s*"?yes"?\s*$/im.test(text.value))]
}

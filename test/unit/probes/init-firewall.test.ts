import { describe, expect, test } from 'vitest'
import { firewall, parseRuleset } from '../../../clients/collector/probes/firewall.ts'
import { init } from '../../../clients/collector/probes/init.ts'
import { collect, hostTree, shown } from './host-tree.ts'

describe('init', () => {
  test('OpenRC and System V', async () => {
    const root = hostTree({
      'proc/1/comm': 'init\n',
      'etc/runlevels/boot/sysctl': { link: '/etc/init.d/sysctl' },
      'etc/runlevels/default/sshd': { link: '/etc/init.d/sshd' },
      'etc/runlevels/boot/sshd': { link: '/etc/init.d/sshd' },
      'etc/rc3.d/S20ssh': '',
      'etc/rc2.d/S20ssh': '',
      'etc/rc2.d/K01off': '',
      'etc/rcS.d/S01udev': '',
    })
    expect(shown(await collect(init, root))).toEqual({
      'init.name': 'init',
      'openrc.sshd.runlevels': 'boot,default',
      'openrc.sysctl.runlevels': 'boot',
      'sysv.ssh.start': '2,3',
      'sysv.udev.start': 'S',
    })
  })
})

describe('firewall', () => {
  const ruleset = {
    nftables: [
      { metainfo: { version: '1.0.6', json_schema_version: 1 } },
      { table: { family: 'inet', name: 'filter', handle: 1 } },
      {
        chain: {
          family: 'inet',
          table: 'filter',
          name: 'input',
          type: 'filter',
          hook: 'input',
          prio: 0,
          policy: 'drop',
        },
      },
      { chain: { family: 'ip', table: 'f', name: 'INPUT', type: 'filter', hook: 'input', prio: 0, policy: 'accept' } },
      { chain: { family: 'inet', table: 'filter', name: 'early', type: 'filter', hook: 'prerouting', prio: -300 } },
      { chain: { family: 'inet', table: 'filter', name: 'jumped-to' } },
      { rule: { family: 'inet', table: 'filter', chain: 'input', expr: [] } },
    ],
  }

  test('rules and the policies of chains that the kernel calls', () => {
    expect(parseRuleset(JSON.stringify(ruleset))).toEqual({
      ok: true,
      value: {
        rules: 1,
        chains: [
          { hook: 'input', policy: 'drop' },
          { hook: 'input', policy: 'accept' },
          { hook: 'prerouting', policy: 'accept' },
        ],
      },
    })
  })

  test.each(['', 'null', '{}', '{"nftables":1}', '[1'])('%j is no rule set', (text) => {
    expect(parseRuleset(text)).toMatchObject({ ok: false })
  })

  test.each(['{"nftables":[null,1,{"chain":null},{"chain":{"hook":5}}]}'])('%j has none', (text) => {
    expect(parseRuleset(text)).toEqual({ ok: true, value: { rules: 0, chains: [] } })
  })

  test('without the module there are no rules; it is not loaded to ask', async () => {
    const root = hostTree({
      'proc/modules': '',
      'proc/net/ip_tables_names': 'nat\nfilter\n',
      'etc/ufw/ufw.conf': '# x\nENABLED=yes\n',
    })
    expect(shown(await collect(firewall, root))).toEqual({
      'firewall.ip6tables.tables': '<does-not-exist>',
      'firewall.iptables.tables': 'filter,nat',
      'firewall.nftables.chains': '0',
      'firewall.nftables.forward.policies': '<does-not-exist>',
      'firewall.nftables.input.policies': '<does-not-exist>',
      'firewall.nftables.output.policies': '<does-not-exist>',
      'firewall.nftables.rules': '0',
      'firewall.ufw.enabled': 'true',
    })
  })

  test('rules that may be there but cannot be asked for are open', async () => {
    const root = hostTree({ 'proc/modules': '', 'sys/module/nf_tables': undefined })
    const result = shown(await collect(firewall, root))
    expect(result['firewall.nftables.rules']).toMatch(/^<not-collected: .*not run/)
    expect(result['firewall.nftables.input.policies']).toMatch(/^<not-collected/)
  })
})

import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { cron } from '../../../clients/collector/probes/cron.ts'
import { files, SENSITIVE_FILES } from '../../../clients/collector/probes/files.ts'
import { modules, parseModprobe } from '../../../clients/collector/probes/modules.ts'
import { mountAttributes, mounts, parseMountinfo } from '../../../clients/collector/probes/mounts.ts'
import { parseUnitFiles, parseUnits, services } from '../../../clients/collector/probes/services.ts'
import { settingAttributes, sshd } from '../../../clients/collector/probes/sshd.ts'
import { keyOf, sysctl, sysctlValue } from '../../../clients/collector/probes/sysctl.ts'
import { collect, hostTree, shown } from './host-tree.ts'

describe('sysctl', () => {
  test('keys and values as sysctl prints them', () => {
    expect(keyOf('/proc/sys/kernel/randomize_va_space')).toBe('kernel.randomize_va_space')
    expect(keyOf('/proc/sys/net/ipv4/conf/eth0.100/forwarding')).toBe('net.ipv4.conf.eth0/100.forwarding')
    expect(sysctlValue('4096\t131072\t6291456\n')).toBe('4096\t131072\t6291456')
    expect(sysctlValue('CD-ROM\n\nspeed: 1\n\n')).toBe('CD-ROM  speed: 1')
    expect(sysctlValue('\n')).toBe('')
  })

  test('secrets and what changes with every reading are said to be left alone; write-only ones too', async () => {
    const root = hostTree({
      'proc/sys/kernel/kptr_restrict': '2\n',
      'proc/sys/kernel/core_pattern': '|/usr/share/apport %p\n',
      'proc/sys/kernel/random/uuid': 'x\n',
      'proc/sys/net/ipv4/tcp_fastopen_key': 'c0ffee-secret\n',
      'proc/sys/net/ipv6/conf/eth0.1/stable_secret': 'c0ffee-secret\n',
      'proc/sys/vm/compact_memory': '1\n',
      'proc/sys/fs/quota/reads': '1\n',
      'proc/sys/fs/binary': Buffer.from([0x61, 0, 0xff, 0x0a]),
    })
    chmodSync(join(root, 'proc/sys/vm/compact_memory'), 0o200)
    const attributes = await collect(sysctl, root)
    expect(shown(attributes)).toEqual({
      'sysctl.fs.binary': 'a\\x00\\xff',
      'sysctl.fs.quota.reads': '<not-collected: volatile: different with every reading>',
      'sysctl.kernel.core_pattern': '|/usr/share/apport %p',
      'sysctl.kernel.kptr_restrict': '2',
      'sysctl.kernel.random.uuid': '<not-collected: volatile: different with every reading>',
      'sysctl.net.ipv4.tcp_fastopen_key': '<not-collected: secret: not read>',
      'sysctl.net.ipv6.conf.eth0/1.stable_secret': '<not-collected: secret: not read>',
      'sysctl.vm.compact_memory': '<not-collected: can only be written>',
    })
    expect(JSON.stringify(attributes)).not.toContain('c0ffee')
    expect(attributes.find(({ name }) => name.endsWith('kptr_restrict'))?.type).toBe('integer')
  })
})

describe('mounts', () => {
  const parse = (text: string) => shown(mountAttributes(parseMountinfo(Buffer.from(text, 'latin1'))))

  test('escapes, optional fields, options of mount point and file system together', () => {
    const text = [
      '22 1 8:1 / / rw,relatime shared:1 master:2 - ext4 /dev/sda1 rw,errors=remount-ro',
      '30 22 0:26 / /mnt/with\\040space\\011tab\\134slash rw,nosuid - tmpfs some\\040source rw,size=1k',
      '31 22 0:27 /sub /mnt/bind ro,nodev - ext4 /dev/sda1 rw',
      '32 22 0:28 / /mnt/ro rw - squashfs /dev/loop0 ro',
      '33 22 0:29 / /mnt/\\303\\274 rw - tmpfs none rw',
      '34 22 0:30 / /mnt/bad\\377 rw - tmpfs none rw',
      '35 22 0:31 / /mnt/label rw - ext4 /dev/b rw,context="a:b:s0:c1,c2",discard',
      '36 22 0:32 / /mnt/empty rw - tmpfs  rw',
      'not a line of it',
      '',
    ].join('\n')
    expect(parse(text)).toMatchObject({
      'mount./.options': 'errors=remount-ro,relatime,rw',
      'mount./.source': '/dev/sda1',
      'mount./.type': 'ext4',
      'mount./mnt/with space\\x09tab\\slash.source': 'some source',
      'mount./mnt/with space\\x09tab\\slash.options': 'nosuid,rw,size=1k',
      'mount./mnt/bind.options': 'nodev,ro',
      'mount./mnt/bind.folder': '/sub',
      'mount./mnt/ro.options': 'ro',
      'mount./mnt/ü.type': 'tmpfs',
      'mount./mnt/bad\\xff.type': 'tmpfs',
      'mount./mnt/label.options': 'context="a:b:s0:c1,c2",discard,rw',
      'mount./mnt/empty.source': '',
      'mount./mnt/empty.options': 'rw',
    })
  })

  test('of several mounts on one target the topmost counts, in whatever order they are listed', () => {
    const lower = '40 22 0:1 / /tmp rw - ext4 /dev/a rw'
    const middle = '41 40 0:2 / /tmp rw,nodev - tmpfs b rw'
    const top = '42 41 0:3 / /tmp rw,noexec - tmpfs c rw'
    for (const lines of [
      [lower, middle, top],
      [top, middle, lower],
      [middle, top, lower],
    ]) {
      expect(parse(lines.join('\n'))).toEqual({
        'mount./tmp.layers': '3',
        'mount./tmp.options': 'noexec,rw',
        'mount./tmp.source': 'c',
        'mount./tmp.type': 'tmpfs',
      })
    }
  })

  test('without the table nothing is claimed', async () => {
    expect(shown(await collect(mounts, hostTree({})))).toHaveProperty('mount')
  })
})

describe('sshd', () => {
  test('lower case, repeated keywords joined in order, values as they are', () => {
    const text =
      'port 22\nPort 2222\nPermitRootLogin no\nmaxauthtries 4\nbanner none\nforcecommand\nacceptenv LANG\nacceptenv LC_*\n\n'
    expect(shown(settingAttributes(text))).toEqual({
      'sshd.acceptenv': 'LANG,LC_*',
      'sshd.banner': 'none',
      'sshd.forcecommand': '',
      'sshd.maxauthtries': '4',
      'sshd.permitrootlogin': 'no',
      'sshd.port': '22,2222',
    })
  })

  test('not installed: that alone', async () => {
    expect(shown(await collect(sshd, hostTree({})))).toEqual({ 'sshd.installed': 'false' })
  })

  test('installed but not to be asked: an error, and every usual keyword open', async () => {
    const result = shown(await collect(sshd, hostTree({ 'usr/sbin/sshd': '' })))
    expect(result['sshd.installed']).toBe('true')
    expect(result['sshd.config']).toMatch(/^<error: \/usr\/sbin\/sshd: not run/)
    expect(result['sshd.permitrootlogin']).toMatch(/^<not-collected: /)
    expect(result).toHaveProperty('sshd')
  })
})

describe('files', () => {
  test('type, owner, group, mode; links as links; absent ones said; bits beyond rwx kept', async () => {
    const root = hostTree({
      'etc/passwd': 'root:x:0:0::/root:/bin/sh\n',
      'etc/group': 'root:x:0:\nshadow:x:42:\n',
      'etc/shadow': '',
      'etc/motd': { link: '/run/motd' },
      'etc/sudoers.d/10 admins': '',
      'etc/ssh/ssh_host_ed25519_key': '',
      'etc/ssh/ssh_host_ed25519_key.pub': '',
      'etc/ssh/moduli': '',
    })
    chmodSync(join(root, 'etc/shadow'), 0o640)
    mkdirSync(join(root, 'tmp'))
    chmodSync(join(root, 'tmp'), 0o1777)
    chmodSync(join(root, 'etc/ssh/ssh_host_ed25519_key'), 0)
    const result = shown(await collect(files, root))
    expect(result).toMatchObject({
      'file./etc/shadow.type': 'file',
      'file./etc/shadow.mode': '0640',
      'file./etc/motd.type': 'symlink',
      'file./etc/motd.target': '/run/motd',
      'file./tmp.type': 'directory',
      'file./tmp.mode': '1777',
      'file./etc/gshadow.type': '<does-not-exist>',
      'file./etc/sudoers.d/10 admins.type': 'file',
      'file./etc/ssh/ssh_host_ed25519_key.mode': '0000',
      'file./etc/ssh/ssh_host_ed25519_key.pub.type': 'file',
    })
    expect(Object.keys(result).some((name) => name.includes('moduli'))).toBe(false)
    // A link has no mode of its own: rules about modes must not see one.
    expect(result).not.toHaveProperty(['file./etc/motd.mode'])
    for (const path of SENSITIVE_FILES) expect(result).toHaveProperty([`file.${path}.type`])
    // Whoever runs the test owns the files: root is known to the fixture, others are a number.
    const uid = process.getuid?.() ?? -1
    expect(result['file./etc/shadow.owner']).toBe(uid === 0 ? 'root' : String(uid))
  })
})

describe('modules', () => {
  const table = 'nf_tables 303104 0 - Live 0x0000000000000000\nusb_storage 81920 1 uas, Loading 0x0 (E)\n'

  test('loaded ones with their state', async () => {
    expect(shown(await collect(modules, hostTree({ 'proc/modules': table })))).toEqual({
      'module.nf_tables.state': 'live',
      'module.support': 'true',
      'module.usb_storage.state': 'loading',
    })
  })

  test('a kernel without modules, and a host that does not tell', async () => {
    const monolithic = hostTree({ 'proc/sys/kernel/osrelease': '6' })
    expect(shown(await collect(modules, monolithic))).toEqual({ 'module.support': 'false' })
    const switched = hostTree({ 'proc/sys/kernel/modules_disabled': '1' })
    expect(shown(await collect(modules, switched))['module.support']).toMatch(/^<not-collected/)
    expect(shown(await collect(modules, hostTree({})))['module.support']).toMatch(/^<not-collected/)
  })

  test('modprobe.d: continued lines, comments, first install holds, dash is underscore, kernel command line', () => {
    const rules = parseModprobe(
      [
        'install usb-storage \\\n  /bin/false\n# install cramfs /bin/true\nblacklist pc-speaker\ninstall  usb_storage /bin/true\n',
        'installx a b\noptions foo bar=1\nblacklist\n',
      ],
      'ro modprobe.blacklist=nouveau,radeon module_blacklist=floppy quiet',
    )
    expect(Object.fromEntries(rules.install)).toEqual({ usb_storage: '/bin/false' })
    expect([...rules.blacklist].sort()).toEqual(['floppy', 'nouveau', 'pc_speaker', 'radeon'])
  })

  test('a file in /etc shadows the one of the same name in /lib; others than .conf do not count', async () => {
    const root = hostTree({
      'proc/modules': '',
      'etc/modprobe.d/a.conf': 'install cramfs /bin/false\n',
      'lib/modprobe.d/a.conf': 'install cramfs /bin/true\ninstall dccp /bin/true\n',
      'usr/lib/modprobe.d/b.conf': 'blacklist firewire\n',
      'etc/modprobe.d/c.conf.bak': 'blacklist none\n',
    })
    expect(shown(await collect(modules, root))).toEqual({
      'modprobe.cramfs.install': '/bin/false',
      'modprobe.firewire.blacklist': 'true',
      'module.support': 'true',
    })
  })
})

describe('services', () => {
  test('unit files with and without the column of presets', () => {
    const text = 'ssh.service   enabled  enabled\ntmp.mount static -\ngetty@.service disabled\n\n'
    expect(Object.fromEntries(parseUnitFiles(text))).toEqual({
      'ssh.service': 'enabled',
      'tmp.mount': 'static',
      'getty@.service': 'disabled',
    })
  })

  test('units: marks of failed ones skipped, those without a file left out', () => {
    const text = [
      'ssh.service loaded active running OpenBSD Secure Shell server',
      '● bad.service loaded failed failed Bad one',
      '* worse.service loaded failed failed Worse one',
      'gone.service not-found inactive dead gone.service',
      'hidden.service masked inactive dead hidden.service',
      '',
    ].join('\n')
    expect(parseUnits(text)).toEqual([
      { name: 'ssh.service', load: 'loaded', active: 'active', sub: 'running' },
      { name: 'bad.service', load: 'loaded', active: 'failed', sub: 'failed' },
      { name: 'worse.service', load: 'loaded', active: 'failed', sub: 'failed' },
      { name: 'hidden.service', load: 'masked', active: 'inactive', sub: 'dead' },
    ])
  })

  test('without systemd there are no units, and that is certain', async () => {
    expect(shown(await collect(services, hostTree({})))).toEqual({
      'systemd.present': 'false',
      'systemd.running': 'false',
    })
  })

  test('an image with systemd cannot be asked, and is not claimed as covered', async () => {
    const result = shown(await collect(services, hostTree({ 'usr/bin/systemctl': '' })))
    expect(result).toMatchObject({ 'systemd.present': 'true', 'systemd.running': 'false' })
    expect(result['unit']).toMatch(/^<not-collected: .*not run/)
    expect(result['unit.state']).toBe(
      '<not-collected: systemd is not PID 1 here (a container, or another init system)>',
    )
  })
})

describe('cron', () => {
  test('entries of all tables, scripts of the folders, leftovers skipped', async () => {
    const root = hostTree({
      'etc/crontab': 'SHELL=/bin/sh\n\n# comment\n17 * * * *\troot  cd / && run-parts /etc/cron.hourly\n',
      'etc/cron.d/job': '@daily root /usr/bin/job "a  b"\n',
      'etc/cron.d/job.dpkg-old': '@daily root /old\n',
      'etc/cron.d/.placeholder': '# nothing\n',
      'var/spool/cron/crontabs/alice': '* * * * * true\n',
      'etc/cron.daily/logrotate': '#!/bin/sh\n',
      'etc/cron.weekly/off': '#!/bin/sh\n',
    })
    chmodSync(join(root, 'etc/cron.daily/logrotate'), 0o755)
    chmodSync(join(root, 'etc/cron.weekly/off'), 0o644)
    expect(shown(await collect(cron, root))).toEqual({
      'cron./etc/cron.d/job.1': '@daily root /usr/bin/job "a  b"',
      'cron./etc/cron.daily/logrotate.executable': 'true',
      'cron./etc/cron.weekly/off.executable': 'false',
      'cron./etc/crontab.1': 'SHELL=/bin/sh',
      'cron./etc/crontab.2': '17 * * * *\troot  cd / && run-parts /etc/cron.hourly',
      'cron./var/spool/cron/crontabs/alice.1': '* * * * * true',
      'cron.present': 'true',
    })
  })

  test('none', async () => {
    expect(shown(await collect(cron, hostTree({})))).toEqual({ 'cron.present': 'false' })
  })
})

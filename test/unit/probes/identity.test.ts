import { describe, expect, test } from 'vitest'
import { boot } from '../../../clients/collector/probes/boot.ts'
import { cpu } from '../../../clients/collector/probes/cpu.ts'
import { kernel } from '../../../clients/collector/probes/kernel.ts'
import { machine } from '../../../clients/collector/probes/machine.ts'
import { os, parseOsRelease } from '../../../clients/collector/probes/os.ts'
import { collect, hostTree, shown } from './host-tree.ts'

describe('os', () => {
  test('unquotes as a shell would and interprets nothing else', () => {
    const text = [
      'ID=alpine',
      `PRETTY_NAME="A \\"q\\" \\$HOME \\\\ \`x\`"`,
      "NAME='single \\ $x'",
      '# ID=other',
      'broken',
      'VERSION_ID=3.20',
      'VERSION_ID=3.21',
      '  BUILD_ID=7  ',
      'lower=1',
      'EMPTY=',
    ].join('\n')
    expect(Object.fromEntries(parseOsRelease(text))).toEqual({
      ID: 'alpine',
      PRETTY_NAME: 'A "q" $HOME \\ `x`',
      NAME: 'single \\ $x',
      VERSION_ID: '3.21',
      BUILD_ID: '7',
      EMPTY: '',
    })
  })

  test('what the release does not set does not exist', async () => {
    const root = hostTree({ 'usr/lib/os-release': 'ID=debian\nPRETTY_NAME="Debian sid"\n' })
    expect(shown(await collect(os, root))).toEqual({
      'os.family': 'linux',
      'os.id': 'debian',
      'os.id-like': '<does-not-exist>',
      'os.pretty-name': 'Debian sid',
      'os.version-codename': '<does-not-exist>',
      'os.version-id': '<does-not-exist>',
    })
  })

  test('without the file nothing is known, and said so', async () => {
    const result = shown(await collect(os, hostTree({})))
    expect(result['os.id']).toBe(
      '<not-collected: /etc/os-release: no such file or directory (ENOENT); /usr/lib/os-release: no such file or directory (ENOENT)>',
    )
  })
})

describe('kernel', () => {
  test('reads release, build, architecture, command line, taint', async () => {
    const root = hostTree({
      'proc/sys/kernel/osrelease': '6.1.0-28-arm64\n',
      'proc/sys/kernel/version': '#1 SMP Debian\n',
      'proc/sys/kernel/arch': 'aarch64\n',
      'proc/sys/kernel/tainted': '4096\n',
      'proc/cmdline': 'ro quiet\n',
    })
    expect(shown(await collect(kernel, root))).toEqual({
      'kernel.architecture': 'aarch64',
      'kernel.cmdline': 'ro quiet',
      'kernel.release': '6.1.0-28-arm64',
      'kernel.tainted': '4096',
      'kernel.version': '#1 SMP Debian',
    })
  })

  test("does not give this host's architecture for another root", async () => {
    expect(shown(await collect(kernel, hostTree({})))['kernel.architecture']).toMatch(/^<not-collected: /)
  })
})

describe('boot', () => {
  const secureBoot = 'sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c'
  const current = 'sys/firmware/efi/efivars/BootCurrent-8be4df61-93ca-11d2-aa0d-00e098032b8c'

  test.each([
    ['on', { [secureBoot]: Buffer.from([6, 0, 0, 0, 1]) }, 'uefi', 'true'],
    ['off', { [secureBoot]: Buffer.from([6, 0, 0, 0, 0]) }, 'uefi', 'false'],
    ['odd', { [secureBoot]: Buffer.from([1]) }, 'uefi', '<error: SecureBoot variable of 1 bytes>'],
    ['firmware without it', { [current]: Buffer.alloc(6) }, 'uefi', '<does-not-exist>'],
    [
      'variables not mounted',
      { 'sys/firmware/efi': undefined },
      'uefi',
      expect.stringMatching(/^<not-collected: .*ENOENT/),
    ],
    ['BIOS', { 'sys/class/dmi/id/sys_vendor': 'x' }, 'bios', '<does-not-exist>'],
    ['neither', {}, expect.stringMatching(/^<not-collected/), expect.stringMatching(/^<not-collected/)],
  ])('secure boot: %s', async (_, tree, firmware, state) => {
    const result = shown(await collect(boot, hostTree(tree)))
    expect(result['boot.firmware']).toEqual(firmware)
    expect(result['boot.secure-boot']).toEqual(state)
  })

  test('start time in UTC, as the kernel counts it', async () => {
    const result = shown(await collect(boot, hostTree({ 'proc/stat': 'cpu 1 2\nbtime 1732233600\nprocesses 5\n' })))
    expect(result['boot.time']).toBe('2024-11-22T00:00:00Z')
    expect(shown(await collect(boot, hostTree({ 'proc/stat': 'cpu 1\n' })))['boot.time']).toBe(
      '<error: /proc/stat: no btime line>',
    )
  })
})

describe('machine', () => {
  test.each([
    ['0123456789abcdef0123456789abcdef\n', '0123456789abcdef0123456789abcdef'],
    ['uninitialized\n', '<does-not-exist>'],
    ['', '<does-not-exist>'],
    ['not an id\n', '<error: /etc/machine-id: not 32 hexadecimal digits>'],
  ])('machine id of %j', async (text, id) => {
    expect(shown(await collect(machine, hostTree({ 'etc/machine-id': text })))['machine.id']).toBe(id)
  })

  test.each([
    ['web1.example.org', '', 'web1.example.org'],
    ['web1', '127.0.0.1 localhost\n127.0.1.1\tweb1.example.org web1 # own\n', 'web1.example.org'],
    ['web1', '127.0.0.1 localhost.localdomain localhost web1\n', expect.stringMatching(/^<not-collected/)],
    ['web1', '# 127.0.1.1 web1.example.org web1\n', expect.stringMatching(/^<not-collected/)],
    ['web1', '127.0.1.1 web1\n', expect.stringMatching(/^<not-collected/)],
  ])('full name of %s with hosts %j', async (name, hosts, expected) => {
    const root = hostTree({ 'proc/sys/kernel/hostname': `${name}\n`, 'etc/hosts': hosts })
    expect(shown(await collect(machine, root))['machine.fqdn']).toEqual(expected)
  })

  test('hardware from DMI or the device tree, whose strings end with NUL', async () => {
    const pc = hostTree({ 'sys/class/dmi/id/sys_vendor': 'QEMU\n', 'sys/class/dmi/id/product_serial': '  \n' })
    expect(shown(await collect(machine, pc))).toMatchObject({ 'machine.vendor': 'QEMU', 'machine.serial': '' })
    const board = hostTree({
      'proc/device-tree/model': 'Raspberry Pi 4\0',
      'proc/device-tree/serial-number': '100000\0',
    })
    expect(shown(await collect(machine, board))).toMatchObject({
      'machine.product': 'Raspberry Pi 4',
      'machine.serial': '100000',
      'machine.vendor': expect.stringMatching(/^<not-collected/),
    })
  })

  test.each([
    [{ 'run/systemd/container': 'lxc\n' }, 'lxc'],
    [{ '.dockerenv': '' }, 'docker'],
    [{ 'run/.containerenv': '' }, 'podman'],
    [{ 'sys/hypervisor/type': 'xen\n' }, 'xen'],
    [{ 'proc/cpuinfo': 'processor : 0\nflags\t\t: fpu hypervisor lm\n' }, 'vm-other'],
    [{ 'proc/cpuinfo': 'processor : 0\nflags\t\t: fpu lm\n' }, 'none'],
    [{ 'proc/cpuinfo': 'processor : 0\nFeatures : fp\n' }, expect.stringMatching(/^<not-collected/)],
  ])('virtualisation by %j', async (tree, expected) => {
    expect(shown(await collect(machine, hostTree(tree)))['machine.virtualization']).toEqual(expected)
  })

  test.each([
    [{ 'etc/localtime': { link: '/usr/share/zoneinfo/Europe/Berlin' } }, 'Europe/Berlin'],
    [{ 'etc/localtime': { link: '../usr/share/zoneinfo/UTC' } }, 'UTC'],
    [{}, 'UTC'],
    [{ 'etc/localtime': 'TZif2' }, '<not-collected: /etc/localtime is a copy, which does not tell its name>'],
  ])('time zone of %j', async (tree, expected) => {
    expect(shown(await collect(machine, hostTree(tree)))['machine.time-zone']).toBe(expected)
  })
})

test('cpu: flaws in the words of the kernel', async () => {
  const folder = 'sys/devices/system/cpu/vulnerabilities'
  const root = hostTree({ [`${folder}/meltdown`]: 'Mitigation: PTI\n', [`${folder}/l1tf`]: 'Vulnerable\n' })
  expect(shown(await collect(cpu, root))).toEqual({
    'cpu.vulnerability.l1tf': 'Vulnerable',
    'cpu.vulnerability.meltdown': 'Mitigation: PTI',
  })
  expect(shown(await collect(cpu, hostTree({})))['cpu.vulnerability']).toMatch(/^<not-collected/)
})

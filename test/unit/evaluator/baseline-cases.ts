/** For each rule of the bundled baseline small postures that pass, that fail, and that it does not apply to. */

/** Values by attribute name; null: does not exist. */
export type Posture = Readonly<Record<string, string | null>>

export interface RuleCases {
  readonly pass: readonly Posture[]
  readonly fail: readonly Posture[]
  /** For every rule with `applies`. */
  readonly notapplicable?: readonly Posture[]
  readonly unknown?: readonly Posture[]
}

const bareMetal: Posture = { 'machine.virtualization': 'none' }
const container: Posture = { 'machine.virtualization': 'docker' }
const debian: Posture = { 'package.manager': 'dpkg', 'package.dpkg.bash.version': '5.2.15-2+b7' }
const alpine: Posture = { 'package.manager': 'apk', 'package.apk.busybox.version': '1.36.1-r29' }
const sshd: Posture = { 'sshd.installed': 'true' }
const noSshd: Posture = { 'sshd.installed': 'false' }
const systemd: Posture = { 'systemd.present': 'true', 'systemd.running': 'true' }
const openrc: Posture = { 'systemd.present': 'false', 'systemd.running': 'false' }
const sudo: Posture = { 'sudo.present': 'true' }
const noSudo: Posture = { 'sudo.present': 'false' }
const noModules: Posture = { 'module.support': 'false' }

/** A posture with nothing but other names of an area, so that absence in it is knowledge. */
const otherUser: Posture = { 'user.alice.uid': '1000' }
const otherGroup: Posture = { 'group.root.gid': '0' }
const otherFile: Posture = { 'file./etc/fstab.type': 'file' }
const otherSysctl: Posture = { 'sysctl.kernel.ostype': 'Linux' }
const otherMount: Posture = { 'mount./.options': 'relatime,rw' }
const ssh22: Posture = { 'listen.tcp.0.0.0.0:22.uid': '0', 'listen.tcp.[::]:22.uid': '0' }

function sysctl(...pairs: readonly (readonly [key: string, value: string])[]): Posture {
  return Object.fromEntries(pairs.map(([key, value]) => [`sysctl.${key}`, value]))
}

/** One sysctl that must have one of `good`; with `isOptional`, hosts without it are left alone. */
function oneSysctl(key: string, good: readonly string[], bad: readonly string[], isOptional = false): RuleCases {
  return {
    pass: good.map((value) => sysctl([key, value])),
    fail: bad.map((value) => sysctl([key, value])),
    ...(isOptional ? { notapplicable: [otherSysctl] } : {}),
  }
}

function oneSshd(key: string, good: readonly string[], bad: readonly string[]): RuleCases {
  return {
    pass: good.map((value) => ({ ...sshd, [`sshd.${key}`]: value })),
    fail: bad.map((value) => ({ ...sshd, [`sshd.${key}`]: value })),
    notapplicable: [noSshd],
    unknown: [sshd],
  }
}

function file(path: string, mode: string, owner = 'root', group = 'root'): Posture {
  return {
    [`file.${path}.type`]: 'file',
    [`file.${path}.mode`]: mode,
    [`file.${path}.owner`]: owner,
    [`file.${path}.group`]: group,
  }
}
const noFile = (path: string): Posture => ({ [`file.${path}.type`]: null })

function oneMount(target: string, good: readonly string[], bad: readonly string[]): RuleCases {
  const name = `mount.${target}.options`
  return {
    pass: good.map((value) => ({ [name]: value })),
    fail: bad.map((value) => ({ [name]: value })),
    notapplicable: [otherMount],
  }
}

/** Units of which one must be active. */
function oneUnit(good: readonly string[], bad: readonly Posture[], notapplicable: readonly Posture[]): RuleCases {
  const host = { ...systemd, ...bareMetal }
  const inactive = { ...host, 'unit.dbus.service.active': 'active' }
  return {
    pass: good.map((unit) => ({ ...host, [`unit.${unit}.active`]: 'active' })),
    fail: [inactive, ...bad.map((each) => ({ ...inactive, ...each }))],
    notapplicable,
  }
}

const passwdFiles = { ...file('/etc/passwd', '0644'), ...file('/etc/group', '0644') }
const shadowFiles = file('/etc/shadow', '0640', 'root', 'shadow')

export const baselineCases: Readonly<Record<string, RuleCases>> = {
  'accounts-only-root-has-uid-0': {
    pass: [{ 'user.root.uid': '0' }, { 'user.root.uid': '0', 'user.alice.uid': '1000' }],
    fail: [
      { 'user.root.uid': '0', 'user.toor.uid': '0' },
      { 'user.root.uid': '0', 'user.root#2.uid': '00' },
    ],
    unknown: [{}],
  },
  'accounts-root-in-group-0': { pass: [{ 'user.root.gid': '0' }], fail: [{ 'user.root.gid': '100' }] },
  'accounts-no-empty-passwords': {
    pass: [{ 'user.root.password': 'locked', 'user.alice.password': 'set', 'user.bin.password': 'none' }],
    fail: [{ 'user.root.password': 'set', 'user.alice.password': 'empty' }],
    unknown: [{}],
  },
  'accounts-no-weak-password-hashes': {
    pass: [{ 'user.root.password-algorithm': 'yescrypt', 'user.bin.password-algorithm': null }, otherUser],
    fail: [{ 'user.root.password-algorithm': 'md5' }, { 'user.root.password-algorithm': 'descrypt' }],
  },
  'accounts-new-passwords-hashed-strongly': {
    pass: [{ 'login-defs.encrypt_method': 'YESCRYPT' }, { 'login-defs.encrypt_method': 'SHA512' }],
    fail: [{ 'login-defs.encrypt_method': 'MD5' }, { 'login-defs.encrypt_method': 'DES' }],
    notapplicable: [{ 'login-defs.present': 'false' }],
  },
  'accounts-service-accounts-cannot-log-in': {
    pass: [
      otherUser,
      { 'user.bin.shell': '/sbin/nologin', 'user.nobody.shell': '/bin/false', 'user.alice.shell': '/bin/sh' },
    ],
    fail: [{ 'user.bin.shell': '/sbin/nologin', 'user.www-data.shell': '/bin/bash' }, { 'user.daemon.shell': '' }],
  },
  'accounts-shadow-group-empty': {
    pass: [{ 'group.shadow.gid': '42', 'group.shadow.members': '' }],
    fail: [{ 'group.shadow.gid': '42', 'group.shadow.members': 'alice' }],
    notapplicable: [otherGroup],
  },
  'accounts-no-members-of-root-equivalent-groups': {
    pass: [otherGroup, { 'group.docker.members': '', 'group.disk.members': '' }],
    fail: [{ 'group.docker.members': 'alice' }, { 'group.disk.members': '', 'group.kmem.members': 'bob' }],
  },
  'accounts-umask-keeps-others-out': {
    pass: ['027', '077', '0027', '0077', '037'].map((umask) => ({ 'login-defs.umask': umask })),
    fail: ['022', '002', '0022', '026', '007', '0', '017'].map((umask) => ({ 'login-defs.umask': umask })),
    notapplicable: [{ 'login-defs.present': 'false' }],
  },
  'accounts-pam-refuses-empty-passwords': {
    pass: [{ ...debian, 'pam.common-auth.1': 'auth [success=1 default=ignore] pam_unix.so' }],
    fail: [{ ...debian, 'pam.common-auth.1': 'auth [success=1 default=ignore] pam_unix.so nullok' }],
    notapplicable: [alpine, { ...debian, 'pam.sshd.1': 'auth required pam_permit.so' }],
  },
  'accounts-sudo-asks-for-a-password': {
    pass: [{ ...sudo, 'sudo./etc/sudoers.nopasswd': '0', 'sudo./etc/sudoers.d/README.nopasswd': '0' }],
    fail: [{ ...sudo, 'sudo./etc/sudoers.nopasswd': '0', 'sudo./etc/sudoers.d/cloud.nopasswd': '1' }],
    notapplicable: [noSudo],
    unknown: [sudo],
  },

  'kernel-address-space-randomised': oneSysctl('kernel.randomize_va_space', ['2'], ['0', '1']),
  'kernel-log-restricted': oneSysctl('kernel.dmesg_restrict', ['1'], ['0']),
  'kernel-pointers-hidden': oneSysctl('kernel.kptr_restrict', ['1', '2'], ['0']),
  'kernel-ptrace-restricted': oneSysctl('kernel.yama.ptrace_scope', ['1', '2', '3'], ['0'], true),
  'kernel-bpf-privileged-only': oneSysctl('kernel.unprivileged_bpf_disabled', ['1', '2'], ['0'], true),
  'kernel-perf-restricted': oneSysctl('kernel.perf_event_paranoid', ['2', '3', '4'], ['-1', '0', '1'], true),
  'kernel-sysrq-limited': oneSysctl('kernel.sysrq', ['0', '16', '176', '438'], ['1'], true),
  'kernel-mitigations-not-switched-off': {
    pass: [
      { 'kernel.cmdline': 'BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro quiet' },
      { 'kernel.cmdline': 'mitigations=auto,nosmt console=ttyS0' },
    ],
    fail: [
      { 'kernel.cmdline': 'ro mitigations=off' },
      { 'kernel.cmdline': 'nokaslr ro' },
      { 'kernel.cmdline': 'ro spectre_v2=off quiet' },
    ],
  },
  'kernel-cpu-flaws-mitigated': {
    pass: [
      {
        'cpu.vulnerability.meltdown': 'Not affected',
        'cpu.vulnerability.mds': 'Mitigation: Clear CPU buffers; SMT vulnerable',
      },
    ],
    fail: [
      { 'cpu.vulnerability.meltdown': 'Vulnerable' },
      { 'cpu.vulnerability.mds': 'Vulnerable: Clear CPU buffers attempted, no microcode; SMT Host state unknown' },
      { 'cpu.vulnerability.spectre_v2': 'Mitigation: Retpolines; IBPB: conditional; BHI: Vulnerable' },
      { 'cpu.vulnerability.itlb_multihit': 'KVM: Vulnerable' },
    ],
    unknown: [{}],
  },
  'kernel-mandatory-access-control': {
    pass: [
      { ...bareMetal, 'selinux.mode': 'enforcing', 'apparmor.enabled': 'false' },
      { ...bareMetal, 'selinux.mode': 'disabled', 'apparmor.enabled': 'true' },
    ],
    fail: [{ ...bareMetal, 'selinux.mode': 'permissive', 'apparmor.enabled': 'false' }],
    notapplicable: [container],
  },
  'kernel-no-core-dumps-of-privileged-programs': {
    pass: [
      sysctl(['fs.suid_dumpable', '0'], ['kernel.core_pattern', 'core']),
      sysctl(['fs.suid_dumpable', '2'], ['kernel.core_pattern', '|/usr/lib/systemd/systemd-coredump %P']),
      sysctl(['fs.suid_dumpable', '2'], ['kernel.core_pattern', '/var/crash/core.%p']),
    ],
    fail: [
      sysctl(['fs.suid_dumpable', '1'], ['kernel.core_pattern', 'core']),
      sysctl(['fs.suid_dumpable', '2'], ['kernel.core_pattern', 'core']),
    ],
  },
  'kernel-links-protected': {
    pass: [sysctl(['fs.protected_symlinks', '1'], ['fs.protected_hardlinks', '1'])],
    fail: [
      sysctl(['fs.protected_symlinks', '0'], ['fs.protected_hardlinks', '1']),
      sysctl(['fs.protected_symlinks', '1'], ['fs.protected_hardlinks', '0']),
    ],
  },
  'kernel-fifos-and-files-protected': {
    pass: [sysctl(['fs.protected_fifos', '1'], ['fs.protected_regular', '2'])],
    fail: [
      sysctl(['fs.protected_fifos', '0'], ['fs.protected_regular', '2']),
      sysctl(['fs.protected_fifos', '1'], ['fs.protected_regular', '0']),
    ],
    notapplicable: [sysctl(['fs.protected_symlinks', '1'])],
  },
  'kernel-low-memory-not-mappable': oneSysctl('vm.mmap_min_addr', ['65536', '32768'], ['0', '4096']),
  'kernel-userfaultfd-privileged-only': oneSysctl('vm.unprivileged_userfaultfd', ['0'], ['1'], true),
  'kernel-no-unused-file-systems': {
    pass: [{ 'module.support': 'true', 'module.ext4.state': 'live' }],
    fail: [{ 'module.support': 'true', 'module.cramfs.state': 'live' }],
    notapplicable: [noModules],
  },
  'kernel-no-unused-protocols': {
    pass: [{ 'module.support': 'true', 'module.sctp.state': 'live' }],
    fail: [{ 'module.support': 'true', 'module.tipc.state': 'live' }],
    notapplicable: [noModules],
  },
  'kernel-secure-boot': {
    pass: [{ ...bareMetal, 'boot.firmware': 'uefi', 'boot.secure-boot': 'true' }],
    fail: [
      { ...bareMetal, 'boot.firmware': 'uefi', 'boot.secure-boot': 'false' },
      { ...bareMetal, 'boot.firmware': 'uefi', 'boot.secure-boot': null },
    ],
    notapplicable: [{ ...bareMetal, 'boot.firmware': 'bios', 'boot.secure-boot': null }, container],
  },

  'network-does-not-forward': {
    pass: [
      { ...bareMetal, ...debian, ...sysctl(['net.ipv4.ip_forward', '0'], ['net.ipv6.conf.all.forwarding', '0']) },
      { ...bareMetal, ...debian, ...sysctl(['net.ipv4.ip_forward', '0']) },
    ],
    fail: [
      { ...bareMetal, ...debian, ...sysctl(['net.ipv4.ip_forward', '1']) },
      { ...bareMetal, ...debian, ...sysctl(['net.ipv4.ip_forward', '0'], ['net.ipv6.conf.all.forwarding', '1']) },
    ],
    notapplicable: [
      { ...container, ...debian, ...sysctl(['net.ipv4.ip_forward', '1']) },
      { ...bareMetal, ...debian, 'package.dpkg.docker.io.version': '20.10', ...sysctl(['net.ipv4.ip_forward', '1']) },
      {
        ...bareMetal,
        'package.manager': 'rpm',
        'package.rpm.podman.version': '4',
        ...sysctl(['net.ipv4.ip_forward', '1']),
      },
    ],
  },
  'network-ignores-redirects': {
    pass: [
      sysctl(
        ['net.ipv4.conf.all.accept_redirects', '0'],
        ['net.ipv4.conf.eth0.accept_redirects', '0'],
        ['net.ipv4.conf.lo.accept_redirects', '1'],
        ['net.ipv6.conf.eth0.accept_redirects', '0'],
        ['net.ipv6.conf.lo.accept_redirects', '1'],
      ),
      sysctl(['net.ipv4.conf.all.accept_redirects', '0']),
    ],
    fail: [
      sysctl(['net.ipv4.conf.all.accept_redirects', '0'], ['net.ipv4.conf.eth0.accept_redirects', '1']),
      sysctl(['net.ipv4.conf.all.accept_redirects', '0'], ['net.ipv6.conf.eth0.accept_redirects', '1']),
    ],
  },
  'network-sends-no-redirects': {
    pass: [sysctl(['net.ipv4.conf.all.send_redirects', '0'], ['net.ipv4.conf.lo.send_redirects', '1'])],
    fail: [sysctl(['net.ipv4.conf.all.send_redirects', '0'], ['net.ipv4.conf.eth0.send_redirects', '1'])],
  },
  'network-refuses-source-routes': {
    pass: [
      sysctl(['net.ipv4.conf.all.accept_source_route', '0'], ['net.ipv6.conf.all.accept_source_route', '-1']),
      sysctl(['net.ipv4.conf.all.accept_source_route', '0'], ['net.ipv4.conf.eth0.accept_source_route', '1']),
    ],
    fail: [
      sysctl(['net.ipv4.conf.all.accept_source_route', '1']),
      sysctl(['net.ipv4.conf.all.accept_source_route', '0'], ['net.ipv6.conf.all.accept_source_route', '1']),
    ],
  },
  'network-checks-source-addresses': {
    pass: [
      sysctl(['net.ipv4.conf.all.rp_filter', '1'], ['net.ipv4.conf.eth0.rp_filter', '0']),
      sysctl(
        ['net.ipv4.conf.all.rp_filter', '0'],
        ['net.ipv4.conf.default.rp_filter', '2'],
        ['net.ipv4.conf.eth0.rp_filter', '2'],
        ['net.ipv4.conf.lo.rp_filter', '0'],
      ),
    ],
    fail: [sysctl(['net.ipv4.conf.all.rp_filter', '0'], ['net.ipv4.conf.eth0.rp_filter', '0'])],
  },
  'network-survives-syn-floods': oneSysctl('net.ipv4.tcp_syncookies', ['1', '2'], ['0'], true),
  'network-ignores-broadcast-pings': {
    pass: [sysctl(['net.ipv4.icmp_echo_ignore_broadcasts', '1'], ['net.ipv4.icmp_ignore_bogus_error_responses', '1'])],
    fail: [
      sysctl(['net.ipv4.icmp_echo_ignore_broadcasts', '0'], ['net.ipv4.icmp_ignore_bogus_error_responses', '1']),
      sysctl(['net.ipv4.icmp_echo_ignore_broadcasts', '1'], ['net.ipv4.icmp_ignore_bogus_error_responses', '0']),
    ],
  },

  'mount-tmp': oneMount('/tmp', ['nodev,nosuid,rw'], ['rw', 'nodev,rw', 'nosuid,rw', 'nodevs,nosuid']),
  'mount-var-tmp': oneMount('/var/tmp', ['nodev,noexec,nosuid,rw'], ['nosuid,rw']),
  'mount-dev-shm': oneMount('/dev/shm', ['nodev,noexec,nosuid,rw'], ['nodev,nosuid,rw', 'relatime,rw']),
  'mount-home': oneMount('/home', ['nodev,nosuid,relatime,rw'], ['relatime,rw']),

  'ssh-no-root-password-login': oneSshd(
    'permitrootlogin',
    ['no', 'prohibit-password', 'without-password', 'forced-commands-only'],
    ['yes'],
  ),
  'ssh-no-empty-passwords': oneSshd('permitemptypasswords', ['no'], ['yes']),
  'ssh-no-host-based-trust': {
    pass: [{ ...sshd, 'sshd.hostbasedauthentication': 'no', 'sshd.ignorerhosts': 'yes' }],
    fail: [
      { ...sshd, 'sshd.hostbasedauthentication': 'yes', 'sshd.ignorerhosts': 'yes' },
      { ...sshd, 'sshd.hostbasedauthentication': 'no', 'sshd.ignorerhosts': 'no' },
    ],
    notapplicable: [noSshd],
  },
  'ssh-no-user-environment': oneSshd('permituserenvironment', ['no'], ['yes', 'LANG,LC_*']),
  'ssh-no-x11-forwarding': oneSshd('x11forwarding', ['no'], ['yes']),
  'ssh-few-authentication-attempts': oneSshd('maxauthtries', ['4', '3'], ['6', '10']),
  'ssh-short-login-grace': oneSshd('logingracetime', ['60', '30'], ['0', '120']),
  'ssh-log-level': oneSshd('loglevel', ['INFO', 'VERBOSE'], ['QUIET', 'DEBUG3']),
  'ssh-strict-modes': oneSshd('strictmodes', ['yes'], ['no']),
  'ssh-strong-ciphers': oneSshd(
    'ciphers',
    ['chacha20-poly1305@openssh.com,aes128-ctr,aes256-gcm@openssh.com'],
    ['aes128-ctr,aes128-cbc', '3des-cbc,aes128-ctr', 'aes256-ctr,rijndael-cbc@lysator.liu.se', 'arcfour'],
  ),
  'ssh-strong-macs': oneSshd(
    'macs',
    ['umac-128-etm@openssh.com,hmac-sha2-256,hmac-sha1'],
    ['hmac-sha2-256,hmac-md5', 'hmac-sha1-96-etm@openssh.com', 'hmac-ripemd160,hmac-sha2-512'],
  ),
  'ssh-strong-key-exchange': oneSshd(
    'kexalgorithms',
    ['sntrup761x25519-sha512@openssh.com,curve25519-sha256,diffie-hellman-group14-sha256'],
    ['curve25519-sha256,diffie-hellman-group14-sha1', 'diffie-hellman-group1-sha1'],
  ),

  'files-account-databases-protected': {
    pass: [passwdFiles, { ...passwdFiles, ...file('/etc/passwd-', '0600'), ...noFile('/etc/group-') }],
    fail: [
      { ...passwdFiles, ...file('/etc/passwd', '0664') },
      { ...passwdFiles, ...file('/etc/group', '0646') },
      { ...passwdFiles, ...file('/etc/group', '0644', 'alice') },
      { ...passwdFiles, ...file('/etc/group-', '0666') },
      { ...passwdFiles, ...file('/etc/passwd-', '0644', 'bob') },
    ],
  },
  'files-password-hashes-protected': {
    pass: [
      shadowFiles,
      file('/etc/shadow', '0000'),
      { ...shadowFiles, ...file('/etc/gshadow', '0640', 'root', 'shadow'), ...file('/etc/shadow-', '0600') },
      { ...shadowFiles, ...noFile('/etc/gshadow') },
    ],
    fail: [
      file('/etc/shadow', '0644'),
      file('/etc/shadow', '0660', 'root', 'shadow'),
      file('/etc/shadow', '0640', 'root', 'users'),
      file('/etc/shadow', '0600', 'alice'),
      { ...shadowFiles, ...file('/etc/shadow-', '0644') },
      { ...shadowFiles, ...file('/etc/gshadow', '0640', 'root', 'users') },
    ],
  },
  'files-old-passwords-protected': {
    pass: [file('/etc/security/opasswd', '0600')],
    fail: [file('/etc/security/opasswd', '0644'), file('/etc/security/opasswd', '0600', 'alice')],
    notapplicable: [noFile('/etc/security/opasswd')],
  },
  'files-ssh-configuration-protected': {
    pass: [{ ...file('/etc/ssh/sshd_config', '0600'), ...file('/etc/ssh/sshd_config.d', '0755') }],
    fail: [
      file('/etc/ssh/sshd_config', '0664'),
      file('/etc/ssh/sshd_config', '0644', 'alice'),
      { ...file('/etc/ssh/sshd_config', '0600'), ...file('/etc/ssh/sshd_config.d/50-own.conf', '0666') },
    ],
    notapplicable: [noFile('/etc/ssh/sshd_config')],
  },
  'files-ssh-host-keys-protected': {
    pass: [
      { ...file('/etc/ssh/ssh_host_rsa_key', '0600'), ...file('/etc/ssh/ssh_host_rsa_key.pub', '0644') },
      file('/etc/ssh/ssh_host_ed25519_key', '0640', 'root', 'ssh_keys'),
    ],
    fail: [
      { ...file('/etc/ssh/ssh_host_rsa_key', '0600'), ...file('/etc/ssh/ssh_host_ecdsa_key', '0644') },
      file('/etc/ssh/ssh_host_rsa_key', '0600', 'alice'),
    ],
    notapplicable: [noFile('/etc/ssh/sshd_config')],
  },
  'files-cron-tables-protected': {
    pass: [
      { 'cron.present': 'true', ...file('/etc/crontab', '0644'), ...file('/etc/cron.d', '0755') },
      { 'cron.present': 'true', ...noFile('/etc/crontab'), ...file('/etc/cron.daily', '0700') },
    ],
    fail: [
      { 'cron.present': 'true', ...file('/etc/crontab', '0664') },
      { 'cron.present': 'true', ...file('/etc/cron.daily', '0777') },
      { 'cron.present': 'true', ...file('/etc/cron.d', '0755', 'alice') },
    ],
    notapplicable: [{ 'cron.present': 'false' }],
  },
  'files-shared-folders-sticky': {
    pass: [
      { ...file('/tmp', '1777'), ...file('/var/tmp', '1777') },
      { ...file('/tmp', '0755'), ...file('/var/tmp', '3777') },
      { ...file('/tmp', '1777'), ...file('/var/tmp', '0777'), 'file./var/tmp.type': 'symlink' },
    ],
    fail: [
      { ...file('/tmp', '0777'), ...file('/var/tmp', '1777') },
      { ...file('/tmp', '1777'), ...file('/var/tmp', '0773') },
      { ...file('/tmp', '2777'), ...file('/var/tmp', '1777') },
    ],
  },
  'files-root-home-closed': {
    pass: [file('/root', '0700'), file('/root', '0550')],
    fail: [file('/root', '0755'), file('/root', '0770'), file('/root', '0700', 'alice')],
  },
  'files-sudo-rules-protected': {
    pass: [{ ...sudo, ...file('/etc/sudoers', '0440'), ...file('/etc/sudoers.d', '0750') }],
    fail: [
      { ...sudo, ...file('/etc/sudoers', '0660') },
      { ...sudo, ...file('/etc/sudoers', '0440'), ...file('/etc/sudoers.d/own', '0442') },
      { ...sudo, ...file('/etc/sudoers', '0440', 'alice') },
    ],
    notapplicable: [noSudo],
  },
  'files-boot-loader-protected': {
    pass: [file('/boot/grub/grub.cfg', '0600'), file('/boot/grub2/grub.cfg', '0400')],
    fail: [file('/boot/grub/grub.cfg', '0444'), file('/boot/grub2/grub.cfg', '0600', 'alice')],
    notapplicable: [noFile('/boot/grub/grub.cfg')],
  },
  'files-no-trust-in-remote-hosts': {
    pass: [{ ...noFile('/etc/hosts.equiv'), ...noFile('/root/.rhosts') }, otherFile],
    fail: [
      { ...file('/etc/hosts.equiv', '0644'), ...noFile('/root/.rhosts') },
      { ...noFile('/etc/hosts.equiv'), ...file('/root/.rhosts', '0600') },
    ],
    unknown: [{}],
  },
  'files-no-preloaded-libraries': {
    pass: [noFile('/etc/ld.so.preload')],
    fail: [file('/etc/ld.so.preload', '0644')],
    unknown: [{}],
  },

  'services-no-clear-text-logins': {
    pass: [ssh22, { 'listen.tcp.[::ffff:23.0.0.1]:80.uid': '0' }],
    fail: [{ ...ssh22, 'listen.tcp.0.0.0.0:23.uid': '0' }, { 'listen.tcp.[::]:514.uid': '0' }],
    unknown: [{}],
  },
  'services-unauthenticated-stores-are-local': {
    pass: [
      ssh22,
      {
        'listen.tcp.127.0.0.1:6379.uid': '100',
        'listen.tcp.[::1]:6379.uid': '100',
        'listen.udp.127.0.0.1:11211.uid': '5',
      },
      { 'listen.tcp.[::ffff:127.0.0.1]:9200.uid': '100' },
    ],
    fail: [
      { 'listen.tcp.127.0.0.1:6379.uid': '100', 'listen.tcp.10.0.0.5:6379.uid': '100' },
      { 'listen.tcp.[::]:2375.uid': '0' },
      { 'listen.udp.0.0.0.0:11211.uid': '5' },
    ],
    unknown: [{}],
  },
  'services-mail-is-local': {
    pass: [ssh22, { 'listen.tcp.127.0.0.1:25.uid': '0', 'listen.tcp.[::1]:25.uid': '0' }],
    fail: [{ 'listen.tcp.0.0.0.0:25.uid': '0' }],
  },
  'services-no-port-mapper': {
    pass: [ssh22],
    fail: [{ 'listen.tcp.0.0.0.0:111.uid': '0' }, { 'listen.udp.[::]:111.uid': '0' }],
  },
  'packages-no-legacy-servers': {
    pass: [debian, alpine],
    fail: [
      { ...debian, 'package.dpkg.telnetd.version': '0.17' },
      { ...alpine, 'package.apk.busybox-extras.version': '1.36' },
      { 'package.manager': 'rpm', 'package.rpm.telnet-server.version': '1:0.17' },
    ],
    unknown: [{}],
  },
  'packages-no-legacy-clients': {
    pass: [debian, { ...debian, 'package.dpkg.openssh-client.version': '1:9.2' }],
    fail: [
      { ...debian, 'package.dpkg.rsh-client.version': '0.17' },
      { 'package.manager': 'rpm', 'package.rpm.telnet.version': '1:0.17' },
    ],
    unknown: [{}],
  },
  'services-clock-is-synchronised': oneUnit(
    ['chronyd.service', 'systemd-timesyncd.service', 'ntpsec.service'],
    [{ 'unit.systemd-timesyncd.service.active': 'inactive' }, { 'unit.chrony-wait.service.active': 'active' }],
    [
      { ...openrc, ...bareMetal },
      { ...systemd, ...container },
    ],
  ),
  'services-firewall-is-active': oneUnit(
    ['nftables.service', 'firewalld.service', 'ufw.service'],
    [{ 'unit.nftables.service.active': 'inactive' }],
    [
      { ...openrc, ...bareMetal },
      { ...systemd, ...container },
    ],
  ),
  'services-logs-are-kept': oneUnit(
    ['systemd-journald.service', 'rsyslog.service'],
    [{ 'unit.rsyslog.service.active': 'failed' }],
    [openrc],
  ),
  'services-none-has-failed': {
    pass: [{ ...systemd, 'unit.ssh.service.active': 'active', 'unit.apt-daily.service.active': 'inactive' }],
    fail: [{ ...systemd, 'unit.ssh.service.active': 'active', 'unit.nftables.service.active': 'failed' }],
    notapplicable: [openrc],
  },
  'services-updates-are-automatic': {
    pass: [
      {
        ...systemd,
        ...debian,
        'package.dpkg.unattended-upgrades.version': '2.9',
        'unit.apt-daily-upgrade.timer.enabled': 'enabled',
      },
      {
        ...systemd,
        'package.manager': 'rpm',
        'package.rpm.dnf-automatic.version': '4.14',
        'unit.dnf-automatic-install.timer.enabled': 'enabled',
      },
    ],
    fail: [
      { ...systemd, ...debian, 'unit.apt-daily-upgrade.timer.enabled': 'enabled' },
      {
        ...systemd,
        ...debian,
        'package.dpkg.unattended-upgrades.version': '2.9',
        'unit.apt-daily-upgrade.timer.enabled': 'masked',
      },
      {
        ...systemd,
        'package.manager': 'rpm',
        'package.rpm.bash.version': '5.1',
        'unit.dnf-automatic.timer.enabled': 'disabled',
      },
    ],
    notapplicable: [openrc],
  },
}

import { describe, expect, test } from 'vitest'
import { accountsPolicy, parseLimits, parseLoginDefs } from '../../../clients/collector/probes/accounts-policy.ts'
import { mandatoryAccess } from '../../../clients/collector/probes/mandatory-access.ts'
import { pam, pamLines } from '../../../clients/collector/probes/pam.ts'
import { parseSudoers, sudo } from '../../../clients/collector/probes/sudo.ts'
import { collect, hostTree, shown } from './host-tree.ts'

describe('accounts-policy', () => {
  test('login.defs: the last line of a key holds, a leading zero stays', () => {
    const text =
      '# PASS_MAX_DAYS 1\nPASS_MAX_DAYS\t99999\nPASS_MAX_DAYS   365\nUMASK 022\nENV_PATH  "PATH=/bin"\nBARE\n'
    expect(Object.fromEntries(parseLoginDefs(text))).toEqual({
      PASS_MAX_DAYS: '365',
      UMASK: '022',
      ENV_PATH: 'PATH=/bin',
    })
  })

  test('limits: both kinds by a dash, later lines over earlier ones', () => {
    const text = '* hard core 0\n@dev - nproc 20 # comment\n* hard core 1\nroot soft\n#* soft core 0\n'
    expect(Object.fromEntries(parseLimits(text))).toEqual({
      '*.hard.core': '1',
      '@dev.soft.nproc': '20',
      '@dev.hard.nproc': '20',
    })
  })

  test('all of it together, folders after the main file', async () => {
    const root = hostTree({
      'etc/login.defs': 'PASS_MAX_DAYS 365\nUMASK 027\n',
      'etc/security/pwquality.conf': '# minlen = 8\nminlen = 8\nenforce_for_root\ndictpath =\n',
      'etc/security/pwquality.conf.d/50-site.conf': 'minlen=14 # longer\n',
      'etc/security/faillock.conf': 'deny = 5\nsilent\n',
      'etc/security/limits.conf': '* hard core 0\n',
      'etc/security/limits.d/note.txt': '* hard core 9\n',
      'etc/profile': 'if true; then\n  umask 027\nfi\n# umask 000\numask $x\n',
      'etc/profile.d/tmout.sh': 'readonly TMOUT=900; export TMOUT\n',
    })
    expect(shown(await collect(accountsPolicy, root))).toEqual({
      'faillock.deny': '5',
      'faillock.silent': 'true',
      'limits.*.hard.core': '0',
      'login-defs.pass_max_days': '365',
      'login-defs.present': 'true',
      'login-defs.umask': '027',
      'profile./etc/profile.d/tmout.sh.tmout': '900',
      'profile./etc/profile.umask': '027',
      'pwquality.dictpath': '',
      'pwquality.enforce_for_root': 'true',
      'pwquality.minlen': '14',
    })
    expect(shown(await collect(accountsPolicy, hostTree({})))).toEqual({ 'login-defs.present': 'false' })
  })
})

describe('pam', () => {
  test('rules in order, continued lines joined, comments gone', async () => {
    const text =
      '# comment\nauth\t[success=1 default=ignore]\tpam_unix.so nullok # why\npassword requisite \\\n  pam_pwquality.so retry=3\n@include common-x\n'
    expect(pamLines(text)).toEqual([
      'auth [success=1 default=ignore] pam_unix.so nullok',
      'password requisite pam_pwquality.so retry=3',
      '@include common-x',
    ])
    expect(shown(await collect(pam, hostTree({ 'etc/pam.d/su': 'auth sufficient pam_rootok.so\n' })))).toEqual({
      'pam.su.1': 'auth sufficient pam_rootok.so',
    })
  })
})

describe('sudo', () => {
  test('settings, and how many rules ask for no password; not who may run what', async () => {
    const main =
      'Defaults\tenv_reset\nDefaults  secure_path="/usr/sbin:\\\n/bin"\nroot ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n#Defaults x\n'
    expect(parseSudoers(main)).toEqual({
      defaults: ['Defaults env_reset', 'Defaults secure_path="/usr/sbin: /bin"'],
      withoutPassword: 0,
    })
    const root = hostTree({
      'etc/sudoers': main,
      'etc/sudoers.d/cloud': 'Defaults:bob !authenticate\nbob ALL=(ALL) NOPASSWD: /usr/bin/secret-tool\n',
      'etc/sudoers.d/skipped.bak': 'eve ALL=(ALL) NOPASSWD:ALL\n',
      'etc/sudoers.d/skipped~': 'eve ALL=(ALL) NOPASSWD:ALL\n',
    })
    const attributes = await collect(sudo, root)
    expect(shown(attributes)).toEqual({
      'sudo./etc/sudoers.1': 'Defaults env_reset',
      'sudo./etc/sudoers.2': 'Defaults secure_path="/usr/sbin: /bin"',
      'sudo./etc/sudoers.d/cloud.1': 'Defaults:bob !authenticate',
      'sudo./etc/sudoers.d/cloud.nopasswd': '2',
      'sudo./etc/sudoers.nopasswd': '0',
      'sudo.present': 'true',
    })
    expect(shown(await collect(sudo, hostTree({})))).toEqual({ 'sudo.present': 'false' })
  })
})

describe('mandatory access', () => {
  test('SELinux, AppArmor, lockdown as the kernel shows them', async () => {
    const root = hostTree({
      'sys/kernel/security/lsm': 'lockdown,capability,selinux',
      'sys/kernel/security/lockdown': 'none [integrity] confidentiality\n',
      'sys/fs/selinux/enforce': '1',
      'etc/selinux/config': '# SELINUX=disabled\nSELINUX=enforcing\nSELINUXTYPE=targeted\n',
      'sys/module/apparmor/parameters/enabled': 'N\n',
    })
    expect(shown(await collect(mandatoryAccess, root))).toEqual({
      'apparmor.enabled': 'false',
      'lsm.list': 'lockdown,capability,selinux',
      'lsm.lockdown': 'integrity',
      'selinux.configured-mode': 'enforcing',
      'selinux.configured-type': 'targeted',
      'selinux.mode': 'enforcing',
    })
  })

  test('mounted or not makes the difference between disabled and unknown', async () => {
    expect(shown(await collect(mandatoryAccess, hostTree({ 'sys/module': undefined })))).toMatchObject({
      'selinux.mode': 'disabled',
      'apparmor.enabled': 'false',
    })
    expect(shown(await collect(mandatoryAccess, hostTree({ 'sys/fs/selinux': undefined })))).toMatchObject({
      'selinux.mode': '<not-collected: selinuxfs is not mounted>',
      'apparmor.enabled': expect.stringMatching(/^<not-collected/),
    })
  })
})

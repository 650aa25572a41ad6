import { describe, expect, test } from 'vitest'
import {
  packageAttributes,
  packages,
  parseApkInstalled,
  parseDpkgStatus,
  parseRpmQuery,
} from '../../../clients/collector/probes/packages.ts'
import { collect, hostTree, shown } from './host-tree.ts'

const DPKG = `Package: dpkg
Essential: yes
Status: install ok installed
Architecture: amd64
Multi-Arch: foreign
Version: 1.21.22
Conffiles:
 /etc/alternatives/README 7be88b21f7e386c8d5a8790c2461c92b
 /etc/dpkg/dpkg.cfg f4413ffb515f8f753624ae3bb365b81b
Description: Debian package management system
 Package: not-a-field
 .
 Version: 9.9 is not one either

Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9+deb12u9

Package: libc6
Status: install ok installed
Architecture: i386
Version: 2.36-9+deb12u9

Package: tzdata
Status: hold ok installed
Architecture: all
Version: 1:2024a-0+deb12u1

Package: apache2
Status: deinstall ok config-files
Architecture: amd64
Version: 2.4.62-1~deb12u2
Config-Version: 2.4.62-1~deb12u2

Package: man-db
Status: install ok triggers-pending
Architecture: amd64
Version: 2.11.2-2

Package: broken
Status: install reinstreq half-installed
Architecture: amd64
Version: 1.0

Package: wanted
Status: install ok not-installed
Architecture: amd64

Package: nothing-known
`

const APK = `C:Q1hKYpDmCmZTqoRoZfcCvRHWzXkyI=
P:musl
V:1.2.5-r0
A:x86_64
S:405735
I:667648
T:the musl c library (libc) implementation
U:https://musl.libc.org/
L:MIT
o:musl
m:Natanael Copa <ncopa@alpinelinux.org>
t:1711010214
c:d5cd2fb6b0a5b3b1a3ad4b13a8eb2a7d0c8d1b4b
p:so:libc.musl-x86_64.so.1=1
F:lib
R:ld-musl-x86_64.so.1
a:0:0:755
Z:Q1L8PLt/vmnTkcMdrUL2LgO3Lzd9E=

C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=
P:alpine-baselayout
V:3.6.5-r0
A:x86_64
D:alpine-baselayout-data=3.6.5-r0 /bin/sh
F:dev
F:var
M:0:0:1777
R:motd

P:foreign
V:1.0-r2
A:armv7

P:docs
V:2-r0
A:noarch

`

describe('dpkg', () => {
  test('installed packages have a version, others a state, what is not installed is not there', async () => {
    expect(shown(await collect(packages, hostTree({ 'var/lib/dpkg/status': DPKG })))).toEqual({
      'package.dpkg.apache2.state': 'deinstall ok config-files',
      'package.dpkg.broken.state': 'install reinstreq half-installed',
      'package.dpkg.dpkg.version': '1.21.22',
      'package.dpkg.libc6.version': '2.36-9+deb12u9',
      'package.dpkg.libc6:i386.version': '2.36-9+deb12u9',
      'package.dpkg.man-db.state': 'install ok triggers-pending',
      'package.dpkg.man-db.version': '2.11.2-2',
      'package.dpkg.tzdata.state': 'hold ok installed',
      'package.dpkg.tzdata.version': '1:2024a-0+deb12u1',
      'package.manager': 'dpkg',
    })
  })

  test('the native architecture is what the database says, else that of dpkg itself', async () => {
    const root = hostTree({ 'var/lib/dpkg/status': DPKG, 'var/lib/dpkg/arch': 'i386\namd64\n' })
    const names = Object.keys(shown(await collect(packages, root)))
    expect(names).toContain('package.dpkg.libc6.version')
    expect(names).toContain('package.dpkg.libc6:amd64.version')
    expect(names).toContain('package.dpkg.dpkg:amd64.version')
  })

  test('survives blank lines, line ends and missing fields', () => {
    expect(parseDpkgStatus('')).toEqual([])
    expect(parseDpkgStatus('\n\n \nPackage: a\nStatus: install ok installed\nVersion: 1\n  \n\nPackage: b\n')).toEqual([
      { name: 'a', version: '1', architecture: 'all' },
    ])
  })

  test('a database that cannot be read is an error, and none of it is claimed', async () => {
    const result = await collect(packages, hostTree({ 'var/lib/dpkg/status': undefined }))
    expect(shown(result)).toEqual({
      'package.dpkg': '<error: /var/lib/dpkg/status: not a regular file>',
      'package.manager': 'dpkg',
    })
  })
})

describe('apk', () => {
  test.each(['lib/apk/db/installed', 'usr/lib/apk/db/installed'])('reads %s', async (path) => {
    expect(shown(await collect(packages, hostTree({ [path]: APK, 'etc/apk/arch': 'x86_64\n' })))).toEqual({
      'package.apk.alpine-baselayout.version': '3.6.5-r0',
      'package.apk.docs.version': '2-r0',
      'package.apk.foreign:armv7.version': '1.0-r2',
      'package.apk.musl.version': '1.2.5-r0',
      'package.manager': 'apk',
    })
  })

  test('an empty database has no packages', () => {
    expect(parseApkInstalled('')).toEqual([])
    expect(parseApkInstalled('\n\n')).toEqual([])
  })
})

describe('rpm', () => {
  const text = [
    'rpm\t0\t4.16.1.3-34.el9\tx86_64',
    'bind-libs\t32\t9.16.23-24.el9\tx86_64',
    'glibc\t0\t2.34-125.el9\tx86_64',
    'glibc\t0\t2.34-125.el9\ti686',
    'tzdata\t0\t2024b-2.el9\tnoarch',
    'kernel-core\t0\t5.14.0-503.el9\tx86_64',
    'kernel-core\t0\t5.14.0-427.el9\tx86_64',
    'gpg-pubkey\t0\t8483c65d-5ccc5b19\t(none)',
    '',
    'warning without tabs',
  ].join('\n')

  test('epochs, foreign architectures and several instances of a name', () => {
    expect(shown(packageAttributes('rpm', parseRpmQuery(text), 'x86_64'))).toEqual({
      'package.rpm.bind-libs.version': '32:9.16.23-24.el9',
      'package.rpm.glibc.version': '2.34-125.el9',
      'package.rpm.glibc:i686.version': '2.34-125.el9',
      'package.rpm.gpg-pubkey.version': '8483c65d-5ccc5b19',
      'package.rpm.kernel-core@5.14.0-427.el9.version': '5.14.0-427.el9',
      'package.rpm.kernel-core@5.14.0-503.el9.version': '5.14.0-503.el9',
      'package.rpm.rpm.version': '4.16.1.3-34.el9',
      'package.rpm.tzdata.version': '2024b-2.el9',
    })
  })

  test('a database without a way to read it is said, not left out', async () => {
    const result = shown(await collect(packages, hostTree({ 'var/lib/rpm/rpmdb.sqlite': '' })))
    expect(result['package.manager']).toBe('rpm')
    expect(result['package.rpm']).toMatch(/^<not-collected: .*not the running host>$/)
  })
})

test('no database at all', async () => {
  expect(shown(await collect(packages, hostTree({})))).toEqual({
    'package.manager': '<not-collected: no database of dpkg, apk or rpm>',
  })
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { groupAttributes, groups } from '../../../clients/collector/probes/groups.ts'
import { parsePassword, userAttributes, users } from '../../../clients/collector/probes/users.ts'
import { collect, hostTree, shown } from './host-tree.ts'

const HASH = '$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7'
const ok = (value: string) => ({ ok: true, value }) as const

describe('password states', () => {
  test.each([
    ['', 'empty', undefined],
    ['!', 'locked', undefined],
    ['!!', 'locked', undefined],
    ['!*', 'locked', undefined],
    [`!${HASH}`, 'locked', 'yescrypt'],
    ['*', 'none', undefined],
    ['x', 'none', undefined],
    ['*NP*', 'none', undefined],
    ['plain text', 'none', undefined],
    [HASH, 'set', 'yescrypt'],
    ['$6$rounds=5000$salt$hash', 'set', 'sha512'],
    ['$5$salt$hash', 'set', 'sha256'],
    ['$2b$10$abcdefghijklmnopqrstuv', 'set', 'bcrypt'],
    ['$1$salt$hash', 'set', 'md5'],
    ['$md5,rounds=5$salt$$hash', 'set', 'sunmd5'],
    ['$gy$j9T$a$b', 'set', 'gost-yescrypt'],
    ['$constructor$a', 'set', 'unknown'],
    ['abJnggxhB/yWI', 'set', 'descrypt'],
    ['_J9..rasmBYk8r9AiWNc', 'set', 'bsdicrypt'],
  ])('%s is %s', (field, state, algorithm) => {
    expect(parsePassword(field)).toEqual({ state, algorithm })
  })
})

describe('users', () => {
  test('account and ageing', () => {
    const result = shown(
      userAttributes('root:x:0:0:root:/root:/bin/bash\n', ok(`root:${HASH}:20000:1:90:7:30:20100:\n`)),
    )
    expect(result).toEqual({
      'user.root.expires': '2025-01-12T00:00:00Z',
      'user.root.gid': '0',
      'user.root.home': '/root',
      'user.root.password': 'set',
      'user.root.password-algorithm': 'yescrypt',
      'user.root.password-inactive-days': '30',
      'user.root.password-last-change': '2024-10-04T00:00:00Z',
      'user.root.password-max-days': '90',
      'user.root.password-min-days': '1',
      'user.root.password-warn-days': '7',
      'user.root.shell': '/bin/bash',
      'user.root.uid': '0',
    })
  })

  test('empty ageing fields, days 0, days that are none', () => {
    const passwd = 'a:x:1:1::/:\nb:x:2:2::/:\nc:x:3:3::/:\n'
    const result = shown(userAttributes(passwd, ok('a:*:::::::\nb:*:0:-1:::::\nc:*:soon:x::::never:\n')))
    expect(result).toMatchObject({
      'user.a.password-last-change': 'never',
      'user.a.password-max-days': '<does-not-exist>',
      'user.a.expires': 'never',
      'user.a.shell': '',
      'user.b.password-last-change': 'must-change',
      'user.b.password-min-days': '-1',
      'user.c.password-last-change': '<error: /etc/shadow: not a number of days>',
      'user.c.password-min-days': '<error: /etc/shadow: not a number of days>',
      'user.c.expires': '<error: /etc/shadow: not a number of days>',
    })
  })

  test('a malformed shadow line is an error of that account alone', () => {
    const passwd = 'a:x:1:1::/:/bin/sh\nb:x:2:2::/:/bin/sh\n'
    const result = shown(userAttributes(passwd, ok('a:*:20000\nb:*:20000:0:99999:7:::\n\n# comment\n')))
    expect(result['user.a.password']).toBe('<error: /etc/shadow line 1: 3 fields instead of 9>')
    expect(result['user.a.password-max-days']).toBe('<error: /etc/shadow line 1: 3 fields instead of 9>')
    expect(result['user.b.password']).toBe('none')
  })

  test('a second line of the same name, a second uid 0, NIS and malformed lines all show', () => {
    const passwd = [
      'root:x:0:0::/root:/bin/bash',
      'toor:x:0:0::/root:/bin/sh',
      'root:x:1000:0::/tmp:/bin/sh',
      '+nis::::::',
      'short:x:1',
      'bad:x:one:1::/:/bin/sh',
      ':x:7:7::/:/bin/sh',
    ].join('\n')
    const result = shown(userAttributes(passwd, ok('')))
    expect(result).toMatchObject({
      'user.root.uid': '0',
      'user.root#2.uid': '1000',
      'user.toor.uid': '0',
      'passwd.line.4': '<error: /etc/passwd line 4: NIS entry, which is not followed>',
      'passwd.line.5': '<error: /etc/passwd line 5: 3 fields instead of 7>',
      'passwd.line.6': '<error: /etc/passwd line 6: field 3 is not a number>',
      'passwd.line.7': '<error: /etc/passwd line 7: no name>',
      'user.root.password': '<does-not-exist>',
    })
  })

  test('the password field of passwd counts when it is no x', () => {
    const passwd = `open::1:1::/:/bin/sh\nold:abJnggxhB/yWI:2:2::/:/bin/sh\n`
    const result = shown(userAttributes(passwd, ok(`open:${HASH}:20000:0:99999:7:::\n`)))
    expect(result['user.open.password']).toBe('empty')
    expect(result['user.open.password-max-days']).toBe('99999')
    expect(result['user.old.password']).toBe('set')
    expect(result['user.old.password-algorithm']).toBe('descrypt')
  })

  test('a password without an account, and a second password line', () => {
    const result = shown(userAttributes('a:x:1:1::/:/bin/sh\n', ok('a:*:1::::::\na::1::::::\nghost:*:1::::::\n')))
    expect(result['user.a.password']).toBe('none')
    expect(result['shadow.a.duplicate']).toBe('<error: another line of this name, which nothing reads>')
    expect(result['shadow.ghost.orphan']).toBe('true')
  })

  test('no hash ever leaves, wherever the field stands', () => {
    const secret = fc.stringMatching(/^[A-Za-z0-9./]{20}$/)
    const field = fc
      .tuple(fc.constantFrom('$6$s$', '!$y$j9T$', '', '!', '*'), secret)
      .map(([head, tail]) => head + tail)
    fc.assert(
      fc.property(field, secret, fc.constantFrom('passwd', 'shadow', 'short'), (hash, tail, where) => {
        const value = hash + tail
        const passwd = `u:${where === 'passwd' ? value : 'x'}:1:1::/:/bin/sh\n`
        const shadow = where === 'short' ? `u:${value}:1\n` : `u:${value}:1:::::::\n`
        expect(JSON.stringify(userAttributes(passwd, ok(shadow)))).not.toContain(tail)
      }),
      { seed: 7, numRuns: 300 },
    )
  })

  test('without passwd nothing is claimed', async () => {
    expect(shown(await collect(users, hostTree({})))).toEqual({
      user: '<error: /etc/passwd: no such file or directory (ENOENT)>',
    })
  })

  test('without shadow, as on a host without it, every state is open', async () => {
    const result = shown(await collect(users, hostTree({ 'etc/passwd': 'a:x:1:1::/:/bin/sh\n' })))
    expect(result['user.a.uid']).toBe('1')
    expect(result['user.a.password']).toBe('<not-collected: /etc/shadow: no such file or directory (ENOENT)>')
    expect(result['user.a.expires']).toBe('<not-collected: /etc/shadow: no such file or directory (ENOENT)>')
  })
})

describe('groups', () => {
  test('members are sorted, each once; lines that are no entry show', () => {
    expect(shown(groupAttributes('sudo:x:27:zoe,adam,zoe,\nempty:x:5:\nbad:x:5\nsudo:x:28:eve\n+:::\n'))).toMatchObject(
      {
        'group.empty.members': '',
        'group.sudo.gid': '27',
        'group.sudo.members': 'adam,zoe',
        'group.sudo#2.gid': '28',
        'group-file.line.3': '<error: /etc/group line 3: 3 fields instead of 4>',
        'group-file.line.5': '<error: /etc/group line 5: NIS entry, which is not followed>',
      },
    )
  })

  test('a second group of the same name does not hide', async () => {
    const root = hostTree({ 'etc/group': 'sudo:x:27:zoe,adam\nsudo:x:28:eve\n' })
    expect(shown(await collect(groups, root))).toEqual({
      'group.sudo.gid': '27',
      'group.sudo#2.gid': '28',
      'group.sudo.members': 'adam,zoe',
      'group.sudo#2.members': 'eve',
    })
    expect(shown(await collect(groups, hostTree({})))).toHaveProperty('group')
  })
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { coveredPrefixes } from '../../../clients/collector/probes/covered.ts'
import { formatLocal, listening, parseSockets } from '../../../clients/collector/probes/listening.ts'
import { collect, hostTree, shown } from './host-tree.ts'

const HEAD = '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n'
const row = (local: string, peer: string, state: string, uid: number, inode: number) =>
  `   0: ${local} ${peer} ${state} 00000000:00000000 00:00000000 00000000  ${uid}  0 ${inode} 1 0000000000000000 100 0 0 10 0\n`
const ANY4 = '00000000:0000'
const ANY6 = '00000000000000000000000000000000:0000'

describe('addresses', () => {
  test.each([
    ['00000000:0016', '0.0.0.0:22'],
    ['0100007F:1F90', '127.0.0.1:8080'],
    ['00000000000000000000000000000000:0016', '[::]:22'],
    ['00000000000000000000000001000000:0277', '[::1]:631'],
    ['B80D0120000000000000000001000000:01BB', '[2001:db8::1]:443'],
    ['B80D01200000010000000000DDCCBBAA:01BB', '[2001:db8:1::aabb:ccdd]:443'],
    ['000080FE00000000FF00540012345678:0044', '[fe80::54:ff:7856:3412]:68'],
    ['0000000000000000FFFF00000100007F:0050', '[::ffff:127.0.0.1]:80'],
    // RFC 5952 §4.2.2: a single zero group is not shortened.
    ['B80D0120010000000100010001000100:0050', '[2001:db8:0:1:1:1:1:1]:80'],
    // §4.2.3: of two equal runs the first is.
    ['B80D0120000000000000010001000000:0050', '[2001:db8::1:0:0:1]:80'],
  ])('%s is %s', (hex, text) => {
    expect(formatLocal(hex, 'LE')).toBe(text)
  })

  test('any IPv6 address is written as the URL standard writes it', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(0, 0, 1, 0xab), { minLength: 16, maxLength: 16 }), (bytes) => {
        const groups = (Buffer.from(bytes).toString('hex').match(/.{4}/g) ?? []).join(':')
        expect(formatLocal(`${Buffer.from(bytes).toString('hex')}:0050`, 'BE')).toBe(
          `${new URL(`ws://[${groups}]`).hostname}:80`,
        )
      }),
      { seed: 7, numRuns: 500 },
    )
  })

  test('on a big-endian CPU the words are in network order already', () => {
    expect(formatLocal('7F000001:0016', 'BE')).toBe('127.0.0.1:22')
    expect(formatLocal('20010DB8000000000000000000000001:0016', 'BE')).toBe('[2001:db8::1]:22')
  })

  test('only sockets in the state asked for and without a peer', () => {
    const table =
      HEAD +
      row('00000000:0016', ANY4, '0A', 0, 1) +
      row('0100007F:0016', '0100007F:9C40', '01', 0, 2).concat('garbage\n\n')
    expect(parseSockets(table, '0A').map(({ inode }) => inode)).toEqual(['1'])
    expect(parseSockets(HEAD + row('00000000:0035', '08080808:0035', '07', 0, 3), '07')).toEqual([])
  })
})

describe('processes', () => {
  const tables = {
    'proc/net/tcp': HEAD + row('00000000:0050', ANY4, '0A', 33, 100) + row('00000000:0050', ANY4, '0A', 0, 101),
    'proc/net/tcp6': HEAD + row('00000000000000000000000000000000:0016', ANY6, '0A', 0, 102),
    'proc/net/udp': HEAD + row('00000000:0801', ANY4, '07', 0, 0),
  }
  const web = {
    'proc/7/comm': 'nginx\n',
    'proc/7/fd/3': { link: 'socket:[100]' },
    'proc/7/fd/4': { link: '/dev/null' },
  }

  test('names of all holders of an address, sorted, each once; a socket of the kernel has none', async () => {
    const root = hostTree({
      ...tables,
      ...web,
      'proc/8/comm': 'nginx\n',
      'proc/8/fd/3': { link: 'socket:[100]' },
      'proc/9/comm': 'haproxy\n',
      'proc/9/fd/3': { link: 'socket:[101]' },
      'proc/10/comm': 'evil\n)name\n',
      'proc/10/fd/3': { link: 'socket:[102]' },
      'proc/self/fd/3': { link: 'socket:[102]' },
    })
    const attributes = await collect(listening, root)
    expect(shown(attributes)).toEqual({
      'listen.tcp.0.0.0.0:80.process': 'haproxy,nginx',
      'listen.tcp.0.0.0.0:80.uid': '0,33',
      'listen.tcp.[::]:22.process': 'evil\n)name',
      'listen.tcp.[::]:22.uid': '0',
      'listen.udp.0.0.0.0:2049.process':
        '<not-collected: no process visible here holds it: the kernel does, or a process that is hidden or of another PID namespace>',
      'listen.udp.0.0.0.0:2049.uid': '0',
    })
    expect(coveredPrefixes(listening, attributes)).toEqual(['listen.tcp.', 'listen.udp.'])
  })

  test('one holder of two unknown leaves the name open', async () => {
    const result = shown(await collect(listening, hostTree({ ...tables, ...web })))
    expect(result['listen.tcp.0.0.0.0:80.process']).toMatch(/^<not-collected/)
  })

  test('a kernel without IPv6 is no error, one without the IPv4 table is, and not claimed as covered', async () => {
    const attributes = await collect(listening, hostTree({ 'proc/net/tcp': HEAD }))
    expect(shown(attributes)).toEqual({ 'listen.udp': '<error: /proc/net/udp: no such file or directory (ENOENT)>' })
    expect(coveredPrefixes(listening, attributes)).toEqual(['listen.tcp.'])
  })
})

/** The options of the bytestreams proxy. */

import * as z from 'zod'
import { integer, kind, type Options, option, type ValuesOf } from '../../server/module/api.ts'

export const bytestreamsConfig = {
  port: option(
    kind(() => z.union([z.literal('off'), integer(0, 0, 65_535).schema()]), 0),
    'port of the SOCKS5 bytestreams proxy (XEP-0065); 0 takes a free one, which clients are told; off: none',
  ),
  publicHost: option(
    kind(() => z.string().max(255), ''),
    'name or address under which clients reach the proxy; empty: the address listened on, or the domain',
  ),
  maxConnections: option(integer(200, 2, 100_000), 'connections to the proxy, two for each stream; more are dropped'),
  streamsPerAccount: option(integer(5, 1, 10_000), 'streams that one account has at a time; more: resource-constraint'),
  streamMaxBytes: option(integer(1_073_741_824, 1_024, 1_099_511_627_776), 'what one stream carries; more ends it'),
  streamBytesPerSecond: option(
    integer(10_485_760, 1_024, 10_737_418_240),
    'what one stream carries each way in a second',
  ),
  idleSeconds: option(integer(60, 1, 3600), 'time in which nothing moves that ends a stream'),
  waitSeconds: option(integer(60, 1, 600), 'time from a connection to its activation; later it is closed'),
} satisfies Options

export type BytestreamsConfig = ValuesOf<typeof bytestreamsConfig>

/** The options of the bytestreams proxy. */

import { z } from 'zod'

const whole = (fallback: number, min: number, max: number, text: string) =>
  z.coerce.number().int().min(min).max(max).default(fallback).describe(text)

export const bytestreamsConfig = z.object({
  port: z
    .union([z.literal('off'), z.coerce.number().int().min(0).max(65_535)])
    .default(0)
    .describe('port of the SOCKS5 bytestreams proxy (XEP-0065); 0 takes a free one, which clients are told; off: none'),
  publicHost: z
    .string()
    .max(255)
    .default('')
    .describe('name or address under which clients reach the proxy; empty: the address listened on, or the domain'),
  maxConnections: whole(200, 2, 100_000, 'connections to the proxy, two for each stream; more are dropped'),
  streamsPerAccount: whole(5, 1, 10_000, 'streams that one account has at a time; more: resource-constraint'),
  streamMaxBytes: whole(1_073_741_824, 1_024, 1_099_511_627_776, 'what one stream carries; more ends it'),
  streamBytesPerSecond: whole(10_485_760, 1_024, 10_737_418_240, 'what one stream carries each way in a second'),
  idleSeconds: whole(60, 1, 3600, 'time in which nothing moves that ends a stream'),
  waitSeconds: whole(60, 1, 600, 'time from a connection to its activation; later it is closed'),
})

export type BytestreamsConfig = z.output<typeof bytestreamsConfig>

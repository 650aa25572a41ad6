/** A TCP relay between clients and a server that cuts what is connected through it, as networks do. */

import { connect, createServer, type Socket } from 'node:net'

export interface CutRelay {
  readonly port: number
  /** Connections made so far. */
  readonly connections: number
  /** Bytes relayed so far, both ways. */
  readonly bytes: number
  /**
   * Breaks every connection there is: both sides see a reset, or with `half` the client alone, while the server goes
   * on believing in it.
   */
  cut(half?: boolean): void
  close(): Promise<void>
}

export async function startCutRelay(target: number): Promise<CutRelay> {
  const pairs = new Set<{ readonly client: Socket; readonly server: Socket }>()
  const abandoned: Socket[] = []
  let connections = 0
  let bytes = 0
  const listener = createServer({ noDelay: true }, (client) => {
    connections++
    const server = connect({ port: target, host: '127.0.0.1', noDelay: true })
    const pair = { client, server }
    pairs.add(pair)
    const end = () => {
      if (!pairs.delete(pair)) return
      client.destroy()
      server.destroy()
    }
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      from.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        to.write(chunk)
      })
      from.on('error', end)
      from.on('close', end)
    }
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const address = listener.address()
  if (address === null || typeof address === 'string') throw new Error('the relay has no port')
  return {
    port: address.port,
    get connections() {
      return connections
    },
    get bytes() {
      return bytes
    },
    cut(half = false) {
      for (const pair of pairs) {
        pairs.delete(pair)
        pair.client.resetAndDestroy()
        if (half) abandoned.push(pair.server.pause())
        else pair.server.resetAndDestroy()
      }
    },
    async close() {
      for (const { client, server } of pairs) {
        client.destroy()
        server.destroy()
      }
      for (const socket of abandoned) socket.destroy()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
}

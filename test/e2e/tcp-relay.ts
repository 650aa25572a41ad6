/** A TCP relay between clients and a server whose port may change, and which can stop relaying without closing anything. */

import { connect, createServer, type Socket } from 'node:net'

export interface TcpRelay {
  readonly port: number
  /** Where new connections go. */
  target: number
  /** From now on, what is connected hears nothing more, and is not told. New connections work. */
  freeze(): void
  /** Connections made so far. */
  readonly connections: number
  close(): Promise<void>
}

export async function startRelay(target: number): Promise<TcpRelay> {
  const pairs = new Set<readonly [Socket, Socket]>()
  let connections = 0
  const relay = { target }
  const server = createServer((inner) => {
    connections++
    const outer = connect(relay.target, '127.0.0.1')
    const pair = [inner, outer] as const
    pairs.add(pair)
    inner.pipe(outer).pipe(inner)
    const end = () => {
      inner.destroy()
      outer.destroy()
      pairs.delete(pair)
    }
    for (const socket of pair) socket.on('error', end).on('close', end)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the relay has no port')
  return {
    port: address.port,
    get target() {
      return relay.target
    },
    set target(port) {
      relay.target = port
    },
    freeze() {
      for (const [inner, outer] of pairs) {
        inner.unpipe(outer).pause()
        outer.unpipe(inner).pause()
      }
    },
    get connections() {
      return connections
    },
    async close() {
      for (const [inner, outer] of pairs) {
        inner.destroy()
        outer.destroy()
      }
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

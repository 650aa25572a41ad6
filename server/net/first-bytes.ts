/** Waits for a client's first bytes before TLS gets its socket, which keeps idle connections small. */

import type { Socket } from 'node:net'

/**
 * Calls `then` when the first bytes of a paused or new socket are there; they are left for whoever reads it next. The
 * socket is closed when its peer closes its side instead.
 *
 * Node's TLS keeps one buffer for a connection's input as long as that lives, made for the first bytes: 1 KiB for those
 * that it is given, 64 KiB for what it reads by itself, which cost an idle session 15 KiB. Once more comes at a time,
 * 16 KiB are added.
 */
export function afterFirstBytes(socket: Socket, then: () => void): void {
  socket.once('readable', () => {
    if (socket.readableLength > 0) then()
    else socket.destroy()
  })
}

/** Waits for a client's first bytes before TLS gets its socket, which keeps idle connections small. */

import { Socket } from 'node:net'

/** Less than the buffer that Node's TLS begins with: one that is filled has another of 16 KiB put beside it. */
const PIECE_BYTES = 1_000

/**
 * Calls `then` when the first bytes of a paused or new socket are there; they are left for whoever reads it next. The
 * socket is closed when its peer closes its side instead.
 *
 * Node's TLS keeps one buffer for a connection's input as long as that lives, made for the first bytes: 1 KiB for those
 * that it is given, 64 KiB for what it reads by itself, which cost an idle session 15 KiB. Once more comes at a time,
 * 16 KiB are added. The first word of many clients, with a key of ML-KEM in it, is more: it is given in pieces.
 */
export function afterFirstBytes(socket: Socket, then: () => void): void {
  socket.once('readable', () => {
    if (socket.readableLength === 0) {
      socket.destroy()
      return
    }
    socket.read = readPiece
    then()
  })
}

/** In place of the socket's own `read`: whoever asks for all that there is gets a piece of it. */
function readPiece(this: Socket, size?: number): ReturnType<Socket['read']> {
  const piece = Math.min(PIECE_BYTES, this.readableLength)
  return Socket.prototype.read.call(this, size ?? (piece === 0 ? undefined : piece))
}

import type { Socket } from 'node:net'

// Milliseconds between two looks, and how many see the same.
const pause = 500
const looks = 3

interface Encrypted extends Socket {
  readonly _parent?: (Socket & { readonly _handle?: { readonly writeQueueSize?: number } | null }) | null
}

/**
 * Destroys an encrypted socket that will never write what it has to, as by a reset; to be asked for once its peer has ended.
 *
 * Where a peer resets before Node has written the session tickets of the handshake, that write fails at once, and
 * `TLSWrap::EncOut` takes it for one that goes on: nothing leaves from then on, no callback comes, and the reset is told as
 * an end of the input. Such a socket has something to write while the one below it has nothing (`writeQueueSize`, known as
 * little as `_parent`); one whose peer only does not read has its bytes there.
 *
 * @param socket - the encrypted one
 */
export function destroyWedged(socket: Socket): void {
  let stuck = 0
  let written = -1
  const timer = setInterval(() => {
    const below = (socket as Encrypted)._parent?._handle
    if (socket.writableLength === 0 || below?.writeQueueSize !== 0 || socket.bytesWritten !== written) {
      written = socket.bytesWritten
      stuck = 0
    } else if (++stuck === looks) {
      socket.destroy(Object.assign(new Error('write ECONNRESET'), { code: 'ECONNRESET', syscall: 'write' }))
    }
  }, pause).unref()
  socket.once('close', () => clearInterval(timer))
}

import { createSocket } from 'node:dgram'
import type { Address } from 'it-socketserver'
import {
  AF_UNIX,
  bind,
  checked,
  close,
  EAGAIN,
  lastErrno,
  MSG_DONTWAIT,
  recv,
  SOCK_DGRAM,
  sendto,
  socket
} from '../harness/libc.ts'

/** Where a client of datagrams sends from, and gets its answers */
export interface Mailbox {
  /** Whether it has left */
  send(bytes: Buffer, to: Address): Promise<boolean>
  close(): void
}

export function openMailbox(isUnix: boolean, received: (bytes: Buffer) => void): Mailbox {
  return isUnix ? unixMailbox(received) : udpMailbox(received)
}

function udpMailbox(received: (bytes: Buffer) => void): Mailbox {
  const udp = createSocket({ type: 'udp4', recvBufferSize: 1_048_576 })
  udp.on('message', received)
  udp.on('error', () => {})
  return {
    send(bytes, to) {
      const { host, port } = to as Extract<Address, { port: number }>
      return new Promise((resolve) => udp.send(bytes, port, host, (error) => resolve(error === null)))
    },
    close: () => udp.close()
  }
}

const SOCK_CLOEXEC = 0o2000000
const looks = 3
const slab = Buffer.alloc(262_144)

function unixAddress(path: string): Buffer {
  const name = Buffer.from(path)
  const address = Buffer.alloc(2 + name.length + (path.startsWith('\0') ? 0 : 1))
  address.writeUInt16LE(AF_UNIX, 0)
  name.copy(address, 2)
  return address
}

// Node has no such sockets.
function unixMailbox(received: (bytes: Buffer) => void): Mailbox {
  const fd = checked('make a socket', socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0))
  // The kernel finds it a name.
  checked('bind a socket', bind(fd, unixAddress('\0').subarray(0, 2), 2))
  let closed = false
  const look = setInterval(() => {
    for (;;) {
      const size = recv(fd, slab, slab.length, MSG_DONTWAIT)
      if (size < 0) return
      received(Buffer.from(slab.subarray(0, size)))
      if (closed) return
    }
  }, looks)
  return {
    async send(bytes, to) {
      const address = unixAddress((to as Extract<Address, { family: 'unix' }>).path)
      while (!closed) {
        if (sendto(fd, bytes, bytes.length, MSG_DONTWAIT, address, address.length) >= 0) return true
        if (lastErrno() !== EAGAIN) return false
        // The server's queue is full: here one waits.
        await new Promise((resolve) => setTimeout(resolve, looks))
      }
      return false
    },
    close() {
      if (closed) return
      closed = true
      clearInterval(look)
      close(fd)
    }
  }
}

import { Socket } from 'node:net'
import { libc } from '../../lib/accept/native/libc.ts'
import { Readiness } from '../../lib/accept/native/readiness.ts'
import { AF_UNIX, encodeUnix } from '../../lib/accept/native/sockaddr.ts'
import { SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK, SOCK_STREAM } from '../../lib/accept/native/socket-type.ts'
import type { DatagramClient } from '../../lib/testing/entry.ts'
import { Inbox } from './datagram-clients.ts'

/** A connection to a Unix address of exactly its length, which older versions of Node pad. */
export function dialUnix(path: string): Socket {
  const fd = libc().socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)
  if (fd < 0) throw libc().error('socket')
  const address = encodeUnix(path)
  if (libc().connect(fd, address, address.length) !== 0) {
    const error = libc().error('connect')
    libc().close(fd)
    throw error
  }
  return new Socket({ fd, readable: true, writable: true, allowHalfOpen: true })
}

const MSG_DONTWAIT = 0x40
const whole = Buffer.allocUnsafe(2 ** 20)

/** A client of Unix datagrams, bound to an address of its own. */
export function unixDatagramClient(target: string, own: string): DatagramClient {
  const { bind, close, connect, error, recvfrom, sendto, socket } = libc()
  const fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
  if (fd < 0) throw error('socket')
  const [mine, theirs] = [encodeUnix(own), encodeUnix(target)]
  if (bind(fd, mine, mine.length) !== 0 || connect(fd, theirs, theirs.length) !== 0) {
    const failure = error('bind or connect')
    close(fd)
    throw failure
  }
  const inbox = new Inbox()
  const readiness = new Readiness(fd, () => {
    for (;;) {
      const size = recvfrom(fd, whole, whole.length, MSG_DONTWAIT, null, new Int32Array(1))
      if (size < 0) break
      inbox.put(Buffer.from(whole.subarray(0, size)))
    }
    readiness.wait()
  })
  readiness.wait()
  return {
    address: { family: 'unix', path: own },
    async send(packet) {
      while (sendto(fd, packet, packet.length, MSG_DONTWAIT, null, 0) < 0) {
        const failure = error('sendto')
        if (failure.code !== 'EAGAIN') throw failure
        // The queue of the server is full.
        await new Promise((resolve) => setImmediate(resolve))
      }
    },
    receive: () => inbox.take(),
    close() {
      readiness.close()
      close(fd)
    }
  }
}

import {
  AF_INET,
  checked,
  connect,
  IP_LOCAL_PORT_RANGE,
  IPPROTO_IP,
  MSG_NOSIGNAL,
  SO_RCVLOWAT,
  SO_SNDTIMEO,
  SOCK_STREAM,
  SOL_SOCKET,
  send,
  setsockopt,
  socket
} from './libc.ts'

export interface ClientSocketOptions {
  /**
   * The number of waiting bytes at which a socket counts as readable (the end of the stream always counts): a reply
   * which comes in pieces then costs the generator one wake-up.
   */
  wakeAt: number
  /** Connect from a few thousand ports only */
  fewPorts?: boolean
}

const secondsToWrite = 5

// A connection lingers for a minute on the side that closed first. That is the server's here, so no client port is used
// up, but the kernel's table of such connections would fill and overflow in the middle of a benchmark. One that comes
// again from the same port takes the place of its predecessor.
const firstPort = 40_000
const lastPort = firstPort + 2_047

export function int32(...values: number[]): Buffer {
  return Buffer.from(Int32Array.from(values).buffer)
}

/** A loopback address, as the kernel wants it */
export function loopback(port: number): Buffer {
  const address = Buffer.alloc(16)
  address.writeUInt16LE(AF_INET, 0)
  address.writeUInt16BE(port, 2)
  address.set([127, 0, 0, 1], 4)
  return address
}

/**
 * Makes connected client sockets for one server. They block, within a limit, where a connection or a payload does not
 * go through at once, which is rare; replies are awaited with epoll.
 */
export function clientSockets(port: number, { wakeAt, fewPorts = false }: ClientSocketOptions): () => number {
  const address = loopback(port)
  const lowWater = int32(wakeAt)
  const writeLimit = int32(secondsToWrite, 0, 0, 0)
  const range = Buffer.alloc(4)
  range.writeUInt16LE(firstPort, 0)
  range.writeUInt16LE(lastPort, 2)
  return () => {
    const fd = checked('make a socket', socket(AF_INET, SOCK_STREAM, 0))
    checked('set SO_RCVLOWAT', setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, lowWater, lowWater.length))
    checked('set SO_SNDTIMEO', setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, writeLimit, writeLimit.length))
    // A kernel older than 6.3 does not know it; there the table overflows, for both sides alike.
    if (fewPorts) setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, range, range.length)
    checked('connect to the server', connect(fd, address, address.length))
    return fd
  }
}

export function sendAll(fd: number, bytes: Buffer): void {
  const sent = checked('send to the server', send(fd, bytes, bytes.length, MSG_NOSIGNAL))
  if (sent !== bytes.length) throw new Error(`Cannot send to the server: it read nothing for ${secondsToWrite} s`)
}

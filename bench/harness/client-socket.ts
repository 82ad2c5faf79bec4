import {
  AF_INET,
  checked,
  connect,
  EAGAIN,
  IP_LOCAL_PORT_RANGE,
  IPPROTO_IP,
  lastErrno,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  recv,
  SO_LINGER,
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
  /** Connect from other ports than those */
  otherPorts?: boolean
  /** Vanish with a reset at the end: of many at once not one then lingers in the kernel's table */
  reset?: boolean
}

const secondsToWrite = 5

// A connection lingers for a minute on the side that closed first. That is the server's here, so no client port is used
// up, but the kernel's table of such connections would fill and overflow in the middle of a benchmark. One that comes
// again from the same port takes the place of its predecessor.
const firstPort = 40_000
const lastPort = firstPort + 2_047
const firstOther = lastPort + 1
const lastOther = 60_999

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
export function clientSockets(
  port: number,
  { wakeAt, fewPorts = false, otherPorts = false, reset = false }: ClientSocketOptions
): () => number {
  const address = loopback(port)
  const lowWater = int32(wakeAt)
  const writeLimit = int32(secondsToWrite, 0, 0, 0)
  const noLinger = int32(1, 0)
  const range = Buffer.alloc(4)
  range.writeUInt16LE(fewPorts ? firstPort : firstOther, 0)
  range.writeUInt16LE(fewPorts ? lastPort : lastOther, 2)
  return () => {
    const fd = checked('make a socket', socket(AF_INET, SOCK_STREAM, 0))
    checked('set SO_RCVLOWAT', setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, lowWater, lowWater.length))
    checked('set SO_SNDTIMEO', setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, writeLimit, writeLimit.length))
    // A kernel older than 6.3 does not know it; there the table overflows, for both sides alike.
    if (fewPorts || otherPorts) setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, range, range.length)
    if (reset) checked('set SO_LINGER', setsockopt(fd, SOL_SOCKET, SO_LINGER, noLinger, noLinger.length))
    checked('connect to the server', connect(fd, address, address.length))
    return fd
  }
}

export function sendAll(fd: number, bytes: Buffer): void {
  const sent = checked('send to the server', send(fd, bytes, bytes.length, MSG_NOSIGNAL))
  if (sent !== bytes.length) throw new Error(`Cannot send to the server: it read nothing for ${secondsToWrite} s`)
}

/** Sends what the kernel takes at once; answers with how many bytes that were */
export function sendSome(fd: number, bytes: Buffer): number {
  const sent = send(fd, bytes, bytes.length, MSG_NOSIGNAL | MSG_DONTWAIT)
  return sent < 0 && lastErrno() === EAGAIN ? 0 : checked('send to the server', sent)
}

/** How many bytes of what has come were put into the slab: 0 where nothing has. Some flags of recv may be added. */
export function receiveSome(fd: number, slab: Buffer, flags = 0): number {
  const size = recv(fd, slab, slab.length, MSG_DONTWAIT | flags)
  if (size < 0 && lastErrno() === EAGAIN) return 0
  if (checked('receive a reply', size) === 0) throw new Error('Cannot receive a reply: the server has ended it')
  return size
}

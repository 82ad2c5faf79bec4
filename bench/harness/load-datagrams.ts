import { int32, loopback } from './client-socket.ts'
import { Epoll } from './epoll.ts'
import {
  AF_INET,
  AF_UNIX,
  bind,
  checked,
  close,
  connect,
  MSG_DONTWAIT,
  recvmmsg,
  SO_SNDTIMEO,
  SOCK_DGRAM,
  SOL_SOCKET,
  sendmmsg,
  setsockopt,
  socket
} from './libc.ts'
import { readLoadArguments } from './load-arguments.ts'
import { takeTurns } from './load-turns.ts'
import { MessageVector } from './message-vector.ts'

export interface DatagramOptions {
  clients: number
  /** Datagrams that each client has under way */
  window: number
  /** Bytes of a datagram */
  size: number
}

const drainLimit = 5_000
const secondsToSend = 5

const { port, serverPid, options } = readLoadArguments<DatagramOptions>()
const epoll = new Epoll(options.clients)
const incoming = new MessageVector(options.window, options.size + 1)
const outgoing = Array.from({ length: options.clients }, (_, index) => {
  const vector = new MessageVector(options.window, options.size)
  for (let n = 0; n < options.window; n++) vector.bytes(n).fill(97 + (index % 26))
  return vector
})
const sockets = outgoing.map((_, index) => {
  const fd = open()
  epoll.add(fd, index)
  return fd
})

// A server says by one number where it is: at an abstract Unix name that has it, or at a UDP port.
function open(): number {
  const name = Buffer.from(`\0it-socketserver-bench/${port}`)
  const address = Buffer.concat([Buffer.from([AF_UNIX, 0]), name])
  const unix = checked('make a socket', socket(AF_UNIX, SOCK_DGRAM, 0))
  if (connect(unix, address, address.length) === 0) {
    // The kernel finds a name for it, so that it can be answered.
    checked('bind a socket', bind(unix, Buffer.from([AF_UNIX, 0]), 2))
    const limit = int32(secondsToSend, 0, 0, 0)
    checked('set SO_SNDTIMEO', setsockopt(unix, SOL_SOCKET, SO_SNDTIMEO, limit, limit.length))
    return unix
  }
  close(unix)
  const udp = checked('make a socket', socket(AF_INET, SOCK_DGRAM, 0))
  const server = loopback(port)
  checked('connect to the server', connect(udp, server, server.length))
  return udp
}

function sendSome(index: number, count: number): void {
  const sent = checked(
    'send to the server',
    sendmmsg(sockets[index] as number, outgoing[index]?.headers ?? null, count, 0)
  )
  if (sent !== count) throw new Error(`Cannot send to the server: it took ${sent} of ${count}`)
}

function receiveSome(index: number): number {
  const fd = sockets[index] as number
  const count = checked('receive replies', recvmmsg(fd, incoming.headers, options.window, MSG_DONTWAIT, null))
  const letter = 97 + (index % 26)
  for (let n = 0; n < count; n++) {
    const bytes = incoming.bytes(n)
    if (incoming.length(n) !== options.size || bytes[0] !== letter || bytes[options.size - 1] !== letter) {
      throw new Error('Cannot accept a reply: it is not what was sent')
    }
  }
  return count
}

await takeTurns(serverPid, (until) => {
  let units = 0
  let waiting = sockets.length * options.window
  for (let index = 0; index < sockets.length; index++) sendSome(index, options.window)
  while (waiting > 0) {
    const ready = epoll.wait(50)
    const now = performance.now()
    if (now > until + drainLimit) throw new Error(`Cannot finish: ${waiting} datagrams were not answered`)
    for (let n = 0; n < ready; n++) {
      const index = epoll.ready(n)
      const count = receiveSome(index)
      units += count
      if (now < until) sendSome(index, count)
      else waiting -= count
    }
  }
  return units
})

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
  recv,
  SO_SNDTIMEO,
  SOCK_DGRAM,
  SOL_SOCKET,
  send,
  setsockopt,
  socket
} from './libc.ts'
import { readLoadArguments } from './load-arguments.ts'
import { takeTurns } from './load-turns.ts'

export interface DatagramOptions {
  /** Sockets, each of which has one datagram under way */
  clients: number
  /** Bytes of a datagram */
  size: number
}

const drainLimit = 5_000
const secondsToSend = 5

const { port, serverPid, options } = readLoadArguments<DatagramOptions>()
const epoll = new Epoll(options.clients)
const slab = Buffer.alloc(options.size + 1)
const packets = Array.from({ length: options.clients }, (_, index) => Buffer.alloc(options.size, 97 + (index % 26)))
const sockets = packets.map((_, index) => {
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

function sendOne(index: number): void {
  const packet = packets[index] as Buffer
  checked('send to the server', send(sockets[index] as number, packet, packet.length, 0))
}

function receiveOne(index: number): void {
  const size = checked('receive a reply', recv(sockets[index] as number, slab, slab.length, MSG_DONTWAIT))
  const packet = packets[index] as Buffer
  if (size !== packet.length || slab[0] !== packet[0] || slab[size - 1] !== packet[size - 1]) {
    throw new Error('Cannot accept a reply: it is not what was sent')
  }
}

await takeTurns(serverPid, (until) => {
  let units = 0
  let waiting = sockets.length
  for (let index = 0; index < sockets.length; index++) sendOne(index)
  while (waiting > 0) {
    const ready = epoll.wait(50)
    const now = performance.now()
    if (now > until + drainLimit) throw new Error(`Cannot finish: ${waiting} datagrams were not answered`)
    for (let n = 0; n < ready; n++) {
      const index = epoll.ready(n)
      receiveOne(index)
      units++
      if (now < until) sendOne(index)
      else waiting--
    }
  }
  return units
})

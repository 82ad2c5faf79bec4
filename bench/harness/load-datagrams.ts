import { datagramClient } from './datagram-client.ts'
import { Epoll } from './epoll.ts'
import { checked, MSG_DONTWAIT, recvmmsg, sendmmsg } from './libc.ts'
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

const { port, serverPid, options } = readLoadArguments<DatagramOptions>()
const epoll = new Epoll(options.clients)
const incoming = new MessageVector(options.window, options.size + 1)
const outgoing = Array.from({ length: options.clients }, (_, index) => {
  const vector = new MessageVector(options.window, options.size)
  for (let n = 0; n < options.window; n++) vector.bytes(n).fill(97 + (index % 26))
  return vector
})
const sockets = outgoing.map((_, index) => {
  const fd = datagramClient(port)
  epoll.add(fd, index)
  return fd
})

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

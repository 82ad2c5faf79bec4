import { clientSockets, sendAll, sendSome } from './client-socket.ts'
import { connectMany } from './connect-many.ts'
import { Epoll } from './epoll.ts'
import { checked, EAGAIN, lastErrno, MSG_DONTWAIT, MSG_TRUNC, recv } from './libc.ts'
import { readLoadArguments } from './load-arguments.ts'
import { takeTurns } from './load-turns.ts'

export interface EchoOptions {
  connections: number
  /** Bytes in flight on each connection: sent in one piece, and sent again once they have all come back */
  block: number
  /** Lines of equal length that make up a block: the units that are counted */
  lines: number
}

interface Connection {
  fd: number
  block: Buffer
  /** How much of it was given to the kernel, and has come back */
  given: number
  received: number
  /** How often it was sent */
  sent: number
}

const comparedBlocks = 16
const bulk = 4_096
const many = 1_000
// What the kernel holds on its way there and back in any case: whoever waits until more is taken does not read meanwhile.
const heldByKernel = 65_536
const drainLimit = 5_000

const { port, serverPid, options } = readLoadArguments<EchoOptions>()
// A large block may fill the window before it is whole, and then nothing would wake the generator up.
const open = clientSockets(port, {
  wakeAt: options.block < bulk ? options.block : 1,
  reset: options.connections >= many
})
const epoll = new Epoll(options.connections)
const slab = Buffer.alloc(options.block)
const connections = connectMany(options.connections, open, serverPid).map(connectionOf)

function connectionOf(fd: number, index: number): Connection {
  const lineLength = options.block / options.lines
  const block = Buffer.alloc(options.block)
  // 97 letters apart from one connection to the next, and a period of 251: a misplaced piece is a wrong piece
  for (let at = 0; at < block.length; at++) block[at] = 97 + (((at + index * 97) % 251) % 26)
  for (let end = lineLength; end <= block.length; end += lineLength) block[end - 1] = 10
  epoll.add(fd, index)
  return { fd, block, given: block.length, received: block.length, sent: 0 }
}

function sendBlock(connection: Connection): void {
  connection.sent++
  connection.received = 0
  connection.block[0] = 65 + (connection.sent % 26)
  if (connection.block.length <= heldByKernel) {
    sendAll(connection.fd, connection.block)
  } else {
    connection.given = 0
    give(connection)
  }
}

function give(connection: Connection): void {
  connection.given += sendSome(connection.fd, connection.block.subarray(connection.given))
}

function receive(connection: Connection): void {
  const { fd, block, received, sent } = connection
  const compared = sent % comparedBlocks === 0
  const dropped = !compared && block.length >= bulk
  const flags = dropped ? MSG_DONTWAIT | MSG_TRUNC : MSG_DONTWAIT
  const size = checked('receive a reply', recv(fd, slab, block.length - received, flags))
  if (size === 0)
    throw new Error(`Cannot receive a reply: the server ended it after ${received} of ${block.length} bytes`)
  connection.received += size
  if (!dropped && !isRight(block, received, size, compared)) {
    throw new Error(`Cannot accept a reply: bytes ${received} to ${received + size} are not those that were sent`)
  }
}

function isRight(block: Buffer, start: number, size: number, compared: boolean): boolean {
  const end = start + size
  if (compared) return slab.compare(block, start, end, 0, size) === 0
  return slab[0] === block[start] && slab[size - 1] === block[end - 1]
}

function checkNothingFollows({ fd }: Connection): void {
  if (recv(fd, slab, slab.length, MSG_DONTWAIT) === -1 && lastErrno() === EAGAIN) return
  throw new Error('Cannot accept a reply: the server ended it, or sent more than it received')
}

await takeTurns(serverPid, (until) => {
  let blocks = 0
  let waiting = connections.length
  for (const connection of connections) sendBlock(connection)
  while (waiting > 0) {
    const ready = epoll.wait(50)
    const now = performance.now()
    if (now > until + drainLimit) throw new Error(`Cannot finish: ${waiting} connections lack a part of their reply`)
    for (let n = 0; n < ready; n++) {
      const connection = connections[epoll.ready(n)] as Connection
      receive(connection)
      if (connection.given < connection.block.length) give(connection)
      if (connection.received < connection.block.length) continue
      blocks++
      if (now < until) sendBlock(connection)
      else waiting--
    }
  }
  for (const connection of connections) checkNothingFollows(connection)
  return blocks * options.lines
})

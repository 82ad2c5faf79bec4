import { clientSockets, sendAll } from './client-socket.ts'
import { connectMany } from './connect-many.ts'
import { Epoll } from './epoll.ts'
import { checked, close, MSG_DONTWAIT, recv } from './libc.ts'
import { readLoadArguments } from './load-arguments.ts'
import { takeTurns } from './load-turns.ts'

export interface ConnectOptions {
  /** Connections that are open at any time */
  atOnce: number
  line: string
  /** Connections that are open besides and never say anything: none where it is left out */
  idle?: number
}

const drainLimit = 5_000

const { port, serverPid, options } = readLoadArguments<ConnectOptions>()
const line = Buffer.from(options.line)
// One byte more than the reply has: the wake-up comes when the server has closed, and not before.
const open = clientSockets(port, { wakeAt: line.length + 1, fewPorts: true })
connectMany(options.idle ?? 0, clientSockets(port, { wakeAt: 1, otherPorts: true, reset: true }), serverPid)
const epoll = new Epoll(options.atOnce)
const slab = Buffer.alloc(line.length + 1)
const fds = new Int32Array(options.atOnce)

function begin(index: number): void {
  const fd = open()
  fds[index] = fd
  epoll.add(fd, index)
  sendAll(fd, line)
}

function end(index: number): void {
  const fd = fds[index] as number
  const size = checked('receive a reply', recv(fd, slab, slab.length, MSG_DONTWAIT))
  if (size !== line.length || slab.compare(line, 0, size, 0, size) !== 0) {
    throw new Error(`Cannot accept a reply: ${size} bytes came for a line of ${line.length}, or other ones`)
  }
  const rest = checked('receive the end', recv(fd, slab, slab.length, MSG_DONTWAIT))
  if (rest !== 0) throw new Error(`Cannot accept a reply: ${rest} bytes follow it`)
  close(fd)
}

await takeTurns(serverPid, (until) => {
  let ended = 0
  let waiting = options.atOnce
  for (let index = 0; index < options.atOnce; index++) begin(index)
  while (waiting > 0) {
    const ready = epoll.wait(50)
    const now = performance.now()
    if (now > until + drainLimit) throw new Error(`Cannot finish: ${waiting} connections were not answered and closed`)
    for (let n = 0; n < ready; n++) {
      const index = epoll.ready(n)
      end(index)
      ended++
      if (now < until) begin(index)
      else waiting--
    }
  }
  return ended
})

import { clientSockets, sendAll } from './client-socket.ts'
import { connectMany } from './connect-many.ts'
import { checked, recv } from './libc.ts'
import { readLoadArguments } from './load-arguments.ts'
import { takeTurns } from './load-turns.ts'
import { pause } from './pause.ts'

export interface IdleOptions {
  connections: number
  /** Sent once on each connection, and sent back, before it falls silent; nothing where it is left out */
  line?: string
}

const { port, serverPid, options } = readLoadArguments<IdleOptions>()
const line = Buffer.from(options.line ?? '')
const slab = Buffer.alloc(line.length + 1)
const fds = connectMany(options.connections, clientSockets(port, { wakeAt: line.length, reset: true }), serverPid)
for (const fd of line.length > 0 ? fds : []) {
  sendAll(fd, line)
  const size = checked('receive a reply', recv(fd, slab, slab.length, 0))
  if (slab.compare(line, 0, line.length, 0, size) !== 0)
    throw new Error('Cannot accept a reply: it is not what was sent')
}

await takeTurns(serverPid, (until) => {
  while (performance.now() < until) pause(10)
  return fds.length
})

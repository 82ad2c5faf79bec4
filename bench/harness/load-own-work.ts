import { clientSockets, sendAll } from './client-socket.ts'
import { checked, recv } from './libc.ts'
import { readLoadArguments } from './load-arguments.ts'
import { takeTurns } from './load-turns.ts'

/** No load comes from outside: the server makes its own, and has only to be told for how long (see own-work.ts) */
export type OwnWorkOptions = Record<string, never>

const longestAnswer = 64

const { port, serverPid } = readLoadArguments<OwnWorkOptions>()
const fd = clientSockets(port, { wakeAt: 1 })()
const slab = Buffer.alloc(longestAnswer)

/** Waits for the server's line in the kernel: the generator has nothing else to do */
function receiveLine(): string {
  let text = ''
  while (!text.endsWith('\n')) {
    const size = checked('receive an answer', recv(fd, slab, slab.length, 0))
    if (size === 0) throw new Error('Cannot receive an answer: the server ended the connection')
    text += slab.toString('latin1', 0, size)
  }
  return text.trimEnd()
}

await takeTurns(serverPid, (until) => {
  sendAll(fd, Buffer.from(`${(until - performance.now()) / 1e3}\n`))
  const units = Number(receiveLine())
  if (!(units > 0)) throw new Error('Cannot accept an answer: the server did nothing')
  return units
})

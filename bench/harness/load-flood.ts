import { datagramClient } from './datagram-client.ts'
import { checked, EAGAIN, lastErrno, sendmmsg } from './libc.ts'
import { readLoadArguments } from './load-arguments.ts'
import { takeTurns } from './load-turns.ts'
import { MessageVector } from './message-vector.ts'
import { pause } from './pause.ts'

export interface FloodOptions {
  /** Datagrams a second, whether the server keeps up or not: what it does not take in time the kernel drops */
  perSecond: number
  /** Counters that they are about */
  names: number
}

const atOnce = 32

const { port, serverPid, options } = readLoadArguments<FloodOptions>()
const fd = datagramClient(port)
const size = counter(options.names).length
const vectors = Array.from({ length: Math.ceil(options.names / atOnce) }, (_, at) => {
  const vector = new MessageVector(atOnce, size)
  for (let n = 0; n < atOnce; n++) vector.bytes(n).write(counter((at * atOnce + n) % options.names))
  return vector
})

function counter(index: number): string {
  return `some.service.of.${String(index).padStart(6, '0')}.requests.served:1|c`
}

/** Sends so many; a full socket buffer of our own is waited for */
function sendSome(vector: MessageVector, count: number): number {
  const sent = sendmmsg(fd, vector.headers, count, 0)
  if (sent < 0 && lastErrno() === EAGAIN) return 0
  return checked('send to the server', sent)
}

await takeTurns(serverPid, (until) => {
  const begun = performance.now()
  let sent = 0
  let turn = 0
  for (let now = begun; now < until; now = performance.now()) {
    const due = Math.floor(((now - begun) / 1e3) * options.perSecond)
    if (sent >= due) pause(0.2)
    while (sent < due && performance.now() < until) {
      const vector = vectors[turn++ % vectors.length] as MessageVector
      sent += sendSome(vector, Math.min(atOnce, due - sent))
    }
  }
  return sent
})

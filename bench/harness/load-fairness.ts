import { clientSockets } from './client-socket.ts'
import { connectMany } from './connect-many.ts'
import { Epoll } from './epoll.ts'
import { FloodClient } from './flood-client.ts'
import { readLoadArguments } from './load-arguments.ts'
import { takeTurns } from './load-turns.ts'
import { QuietClient } from './quiet-client.ts'
import { schedule } from './schedule.ts'

export interface FairnessOptions {
  /** Connections that send lines as fast as they come back */
  floods: number
  /** Bytes that each of them has under way */
  window: number
  /** Connections that send a line now and then */
  others: number
  /** Milliseconds between two lines of such a connection: the least and the most, the connections spread in between */
  every: [number, number]
  /** Bytes of a line */
  size: number
}

const drainLimit = 10_000

const { port, serverPid, options } = readLoadArguments<FairnessOptions>()
const fds = connectMany(options.floods + options.others, clientSockets(port, { wakeAt: 1, reset: true }), serverPid)
const floods = fds.slice(0, options.floods).map((fd) => new FloodClient(fd, options))
const epoll = new Epoll(options.others)
const clients = fds.slice(options.floods).map((fd, index) => {
  epoll.add(fd, index)
  return new QuietClient(fd, index, options.size)
})

function isQuiet(): boolean {
  return floods.every((flood) => flood.isQuiet) && clients.every((client) => client.waiting === 0)
}

function flooded(): number {
  return floods.reduce((sum, flood) => sum + flood.received, 0) / options.size
}

function milliseconds(exact: number): number {
  return Math.round(exact * 1e3) / 1e3
}

await takeTurns(serverPid, (until) => {
  const latency: number[] = []
  // What this process itself adds to the latency, at most.
  const late: number[] = []
  const floodedBefore = flooded()
  const begun = performance.now()
  const due = schedule(options.others, options.every, until - begun)
  let next = 0
  let round = 0
  for (;;) {
    const now = performance.now()
    if (now > until + drainLimit) throw new Error('Cannot finish: a connection lacks a part of its answers')
    for (let first = due[next]; first !== undefined && begun + first.at <= now; first = due[++next]) {
      clients[first.client]?.send(begun + first.at)
      late.push(milliseconds(performance.now() - begun - first.at))
    }
    if (now >= until && next === due.length && isQuiet()) break
    const ready = epoll.wait(0)
    const seen = performance.now()
    for (let n = 0; n < ready; n++) {
      for (const wait of clients[epoll.ready(n)]?.receive(seen) ?? []) latency.push(milliseconds(wait))
    }
    // One at a time, so that none of those who are measured has to wait for more.
    floods[round++ % floods.length]?.work(now >= until)
  }
  const seconds = (performance.now() - begun) / 1e3
  return { units: latency.length, notes: { latency, late, flooded: [(flooded() - floodedBefore) / seconds] } }
})

import { getEventListeners } from 'node:events'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  drain,
  type MessageRequest,
  merge,
  type Outcome,
  parallel,
  pipe,
  type Request,
  Semaphore,
  ThreadingTCPServer
} from '../../lib/index.ts'
import { type Deferred, deferred } from '../../lib/iterator/deferred.ts'
import { Counter } from '../support/counter.ts'
import { exchange, exchangeDatagram } from '../support/peers.ts'
import { tcp, udp } from '../support/servers.ts'
import { turns, watch } from '../support/turns.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'

checkNothingUnhandled()

const echo = (request: Request) => pipe(request, request)

/** Work that lasts until it is ended. */
class Bench {
  readonly begun: string[] = []
  readonly #gates = new Map<string, Deferred<void>>()

  readonly handler = async ({ packet, signal }: MessageRequest): Promise<void> => {
    const name = packet.toString()
    this.begun.push(name)
    signal.addEventListener('abort', () => this.end(name))
    await this.#gate(name).promise
  }

  end(...names: string[]): void {
    for (const name of names) this.#gate(name).resolve()
  }

  #gate(name: string): Deferred<void> {
    const gate = this.#gates.get(name) ?? deferred<void>()
    this.#gates.set(name, gate)
    return gate
  }
}

/** A server whose mode is run, its outcomes read at once. */
function run(bench: Bench, limit: Semaphore) {
  const server = new Counter()
  const read: string[] = []
  const serve = async (): Promise<void> => {
    for await (const { request, status } of parallel(bench.handler, { limit })(server)) {
      read.push(`${request.packet.toString()} ${status}`)
    }
  }
  const ended = watch(serve())
  onTestFinished(async () => {
    await server.close({ deadline: 0 })
  })
  return { server, read, ended }
}

/** A mode whose outcomes are read by hand. */
function byHand(bench: Bench, limit: Semaphore) {
  const server = new Counter()
  onTestFinished(async () => {
    await server.close({ deadline: 0 })
  })
  const outcomes = parallel(bench.handler, { limit })(server)[Symbol.asyncIterator]() as AsyncGenerator<
    Outcome<MessageRequest>
  >
  return { server, outcomes }
}

describe('a semaphore as the limit of one mode', () => {
  it('holds as many requests as a number would', async () => {
    const bench = new Bench()
    const semaphore = new Semaphore(2)
    const { server } = run(bench, semaphore)
    server.put('a', 'b', 'c', 'd')
    await turns(2)
    expect(server.pulled).toEqual(['a', 'b'])
    expect(semaphore).toMatchObject({ taken: 2, waiting: 0 })
    bench.end('b')
    await turns(2)
    expect(server.pulled).toEqual(['a', 'b', 'c'])
    bench.end('a', 'c', 'd')
    await turns(2)
    expect(bench.begun).toEqual(['a', 'b', 'c', 'd'])
    expect(semaphore.taken).toBe(0)
  })

  it('pulls more when it is raised, fewer when it is lowered, none at 0, all at Infinity', async () => {
    const bench = new Bench()
    const semaphore = new Semaphore(0)
    const { server, ended } = run(bench, semaphore)
    const all = Array.from({ length: 9 }, (_, i) => String(i))
    server.put(...all)
    await turns(2)
    expect(server.pulled).toEqual([])
    semaphore.permits = 3
    await turns(2)
    expect(server.pulled).toEqual(['0', '1', '2'])
    semaphore.permits = 1
    bench.end('0', '1')
    await turns(2)
    expect(server.pulled).toHaveLength(3)
    expect(semaphore.taken).toBe(1)
    bench.end('2')
    await turns(2)
    expect(server.pulled).toHaveLength(4)
    semaphore.permits = Number.POSITIVE_INFINITY
    await turns(2)
    expect(server.pulled).toEqual(all)
    semaphore.permits = 1
    bench.end(...all)
    await turns(2)
    await server.close()
    await ended.promise
    expect(semaphore.taken).toBe(0)
  })

  it('keeps the one request that was asked for when it was lowered, until it is raised', async () => {
    const bench = new Bench()
    const semaphore = new Semaphore(2)
    const { server } = run(bench, semaphore)
    await turns()
    semaphore.permits = 0
    server.put('a', 'b')
    await turns(2)
    expect(server.pulled).toEqual(['a'])
    expect(bench.begun).toEqual([])
    semaphore.permits = 1
    await turns(2)
    expect(server.pulled).toEqual(['a'])
    expect(bench.begun).toEqual(['a'])
    bench.end('a', 'b')
    await turns(2)
    expect(bench.begun).toEqual(['a', 'b'])
    expect(semaphore).toMatchObject({ taken: 0, waiting: 0 })
  })

  it('has a permit back when the outcome was read, and not before', async () => {
    const bench = new Bench()
    const semaphore = new Semaphore(1)
    const { server, outcomes } = byHand(bench, semaphore)
    server.put('a', 'b')
    const first = outcomes.next()
    await turns()
    bench.end('a')
    expect((await first).value.request.packet.toString()).toBe('a')
    bench.end('b')
    await turns(2)
    expect(server.ended.get('b')).toBe('fulfilled')
    expect(semaphore.taken).toBe(1)
    await outcomes.next()
    expect(semaphore.taken).toBe(0)
    await outcomes.return(undefined)
  })

  it('has those back whose outcomes nobody will read', async () => {
    const bench = new Bench()
    const semaphore = new Semaphore(3)
    const { server, outcomes } = byHand(bench, semaphore)
    server.put('a', 'b', 'c')
    void outcomes.next()
    await turns()
    bench.end('a', 'b')
    await turns(2)
    expect(semaphore.taken).toBe(2)
    const left = watch(outcomes.return(undefined))
    expect(semaphore.taken).toBe(1)
    await turns()
    expect(left.state).toBe('pending')
    bench.end('c')
    await left.promise
    expect(semaphore.taken).toBe(0)
  })
})

describe('a semaphore that several modes share', () => {
  it('serves the clients of one server while the others are idle', async () => {
    const semaphore = new Semaphore(1)
    const servers = [await tcp(), await tcp(), await udp()] as const
    const serving = servers.map((server) => drain(parallel(echo, { limit: semaphore })(server)))
    const [first, second, datagrams] = servers
    for (const round of ['one', 'two']) {
      expect(await exchange(second.address, round)).toBe(round)
      expect(await exchangeDatagram(datagrams.address, round)).toBe(round)
      expect(await exchange(first.address, round)).toBe(round)
    }
    await Promise.all([...servers.map((server) => server.close()), ...serving])
    expect(semaphore).toMatchObject({ taken: 0, waiting: 0 })
  })

  it('runs no more than its permits, and takes turns', async () => {
    const bench = new Bench()
    const semaphore = new Semaphore(1)
    const one = run(bench, semaphore)
    const two = run(bench, semaphore)
    one.server.put('a1', 'a2', 'a3')
    two.server.put('b1', 'b2', 'b3')
    const order = ['a1', 'b1', 'a2', 'b2', 'a3', 'b3']
    for (const [i, name] of order.entries()) {
      await turns(2)
      expect([...bench.begun].sort()).toEqual(order.slice(0, i + 1).sort())
      expect(semaphore.taken).toBe(1)
      // One of each at the most is in hand.
      expect(one.server.pulled.length + two.server.pulled.length - bench.begun.length).toBeLessThanOrEqual(1)
      bench.end(name)
    }
    await turns(2)
    expect(semaphore.taken).toBe(0)
  })

  it('has the request in hand wait, open and not begun, and gives it the next permit', async () => {
    const bench = new Bench()
    const semaphore = new Semaphore(1)
    const idle = run(bench, semaphore)
    const busy = run(bench, semaphore)
    await turns()
    expect(idle.server.asked).toBe(true)
    busy.server.put('b1', 'b2')
    await turns()
    const acquired = watch(semaphore.acquire())
    idle.server.put('a1', 'a2')
    await turns()
    expect(bench.begun).toEqual(['b1'])
    expect(idle.server.pulled).toEqual(['a1'])
    expect(idle.server.stats()).toMatchObject({ open: 1, served: 0 })
    expect(semaphore).toMatchObject({ taken: 1, waiting: 2 })
    bench.end('b1')
    await turns(2)
    expect(bench.begun).toEqual(['b1', 'a1'])
    expect(acquired.state).toBe('pending')
    bench.end('a1')
    await turns(2)
    expect(acquired.state).toBe('fulfilled')
    expect(bench.begun).toEqual(['b1', 'a1'])
    ;(await acquired.promise).release()
    bench.end('a2', 'b2')
    await turns(4)
    expect([...bench.begun].sort()).toEqual(['a1', 'a2', 'b1', 'b2'])
    expect(semaphore).toMatchObject({ taken: 0, waiting: 0 })
  })

  it('lets nobody starve who acquires one by one, nor a mode among those', async () => {
    const bench = new Bench()
    const semaphore = new Semaphore(1)
    const held = await semaphore.acquire()
    const others = Array.from({ length: 3 }, () => watch(semaphore.acquire()))
    const { server } = run(bench, semaphore)
    server.put('a')
    await turns()
    const later = Array.from({ length: 50 }, () => watch(semaphore.acquire()))
    held.release()
    for (const { promise } of others) (await promise).release()
    // The mode has asked before this one, but its request is to come yet: the next permit is for that.
    const first = await later[0]?.promise
    await turns()
    expect(server.pulled).toEqual(['a'])
    expect(bench.begun).toEqual([])
    first?.release()
    await turns()
    expect(bench.begun).toEqual(['a'])
    bench.end('a')
    for (const { promise } of later.slice(1)) (await promise).release()
    expect(semaphore).toMatchObject({ taken: 0, waiting: 0 })
  })

  it('gives back what ends at once in several modes', async () => {
    const bench = new Bench()
    const semaphore = new Semaphore(4)
    const modes = Array.from({ length: 4 }, () => run(bench, semaphore))
    for (const [i, { server }] of modes.entries()) server.put(`${i}a`, `${i}b`, `${i}c`)
    await turns(2)
    expect(semaphore.taken).toBe(4)
    for (let i = 0; i < 4; i++) bench.end(`${i}a`, `${i}b`, `${i}c`)
    await turns(6)
    expect(modes.flatMap(({ read }) => read)).toHaveLength(12)
    expect(semaphore).toMatchObject({ taken: 0, waiting: 0 })
  })

  it('is the limit of ready-made servers, too', async () => {
    const semaphore = new Semaphore(1)
    const servers = [
      new ThreadingTCPServer({ limit: semaphore }, echo),
      new ThreadingTCPServer({ limit: semaphore }, echo)
    ]
    const serving = servers.map((server) => server.serveForever())
    for (const server of servers) await server.listen()
    for (const server of servers) expect(await exchange(server.address, 'ping')).toBe('ping')
    semaphore.permits = 0
    const answer = watch(exchange((servers[0] as ThreadingTCPServer).address, 'pong'))
    await turns(5)
    expect(answer.state).toBe('pending')
    semaphore.permits = 1
    expect(await answer.promise).toBe('pong')
    await Promise.all([...servers.map((server) => server.close()), ...serving])
    expect(semaphore.taken).toBe(0)
  })
})

describe('a mode that waits for a permit of others', () => {
  it('gives up its place in the line when it is left', async () => {
    const bench = new Bench()
    const semaphore = new Semaphore(1)
    const permit = await semaphore.acquire()
    const { server, outcomes } = byHand(bench, semaphore)
    server.put('a')
    const parked = outcomes.next()
    await turns()
    expect(server.pulled).toEqual([])
    expect(await outcomes.return(undefined)).toEqual({ done: true, value: undefined })
    expect(await parked).toEqual({ done: true, value: undefined })
    permit.release()
    await turns(2)
    expect(server.pulled).toEqual([])
    expect(semaphore).toMatchObject({ taken: 0, waiting: 0 })
    expect(getEventListeners(server.stopping, 'abort')).toHaveLength(0)
  })

  it('refuses the request in hand when it is left, and says so', async () => {
    const bench = new Bench()
    const semaphore = new Semaphore(1)
    const { server, outcomes } = byHand(bench, semaphore)
    const parked = outcomes.next()
    await turns()
    const permit = await semaphore.acquire()
    server.put('a', 'b')
    await turns()
    expect(semaphore.waiting).toBe(1)
    await outcomes.return(undefined)
    expect(await parked).toEqual({ done: true, value: undefined })
    expect(bench.begun).toEqual([])
    expect(server.ended.get('a')).toBe('aborted')
    expect(semaphore).toMatchObject({ taken: 1, waiting: 0 })
    // 'b' was put on it and never handed out.
    expect(await server.closed).toMatchObject({ finished: 0, aborted: 0, refused: 1 })
    expect(server.errors).toEqual([])
    permit.release()
    await turns(2)
    expect(bench.begun).toEqual([])
    expect(semaphore.taken).toBe(0)
  })

  it('refuses the request in hand when it is left, though its own unread outcomes give permits back', async () => {
    const bench = new Bench()
    const semaphore = new Semaphore(2)
    const { server, outcomes } = byHand(bench, semaphore)
    server.put('first', 'a')
    bench.end('first')
    await outcomes.next()
    await turns()
    const permit = await semaphore.acquire()
    server.put('b')
    await turns()
    bench.end('a')
    await turns(2)
    expect(semaphore).toMatchObject({ taken: 2, waiting: 1 })
    await outcomes.return(undefined)
    expect(bench.begun).toEqual(['first', 'a'])
    expect(server.stats()).toMatchObject({ served: 2, refused: 1 })
    permit.release()
    expect(semaphore.taken).toBe(0)
  })

  it('ends when its server has closed, though others have all permits', async () => {
    const bench = new Bench()
    const semaphore = new Semaphore(1)
    const { server, ended, read } = run(bench, semaphore)
    server.put('a')
    bench.end('a')
    await turns(2)
    const permit = await semaphore.acquire()
    expect(read).toEqual(['a fulfilled'])
    await server.close()
    await ended.promise
    permit.release()
    expect(semaphore.taken).toBe(0)
  })

  it('ends when its server has closed that has never had a permit, also behind other stages', async () => {
    const bench = new Bench()
    const semaphore = new Semaphore(0)
    const alone = run(bench, semaphore)
    await turns()
    await alone.server.close()
    await alone.ended.promise

    semaphore.permits = 2
    const [one, two] = [new Counter(), new Counter()]
    const serving = watch(drain(parallel(bench.handler, { limit: semaphore })(merge(one, two))))
    one.put('a')
    two.put('b')
    await turns(3)
    expect([...bench.begun].sort()).toEqual(['a', 'b'])
    bench.end('a', 'b')
    await turns(2)
    const permits = [await semaphore.acquire(), await semaphore.acquire()]
    await one.close()
    await turns(2)
    expect(serving.state).toBe('pending')
    await two.close()
    await serving.promise
    for (const permit of permits) permit.release()
    expect(semaphore).toMatchObject({ taken: 0, waiting: 0 })
  })

  it('serves what had come before its server closed, one by one, as permits come', async () => {
    const bench = new Bench()
    const semaphore = new Semaphore(1)
    const { server, ended, read } = run(bench, semaphore)
    await turns()
    const permit = await semaphore.acquire()
    server.put('a')
    await turns()
    const closed = watch(server.close({ deadline: Number.POSITIVE_INFINITY }))
    await turns(3)
    expect(closed.state).toBe('pending')
    expect(bench.begun).toEqual([])
    bench.end('a')
    permit.release()
    expect(await closed.promise).toMatchObject({ finished: 1, aborted: 0, refused: 0 })
    await ended.promise
    expect(read).toEqual(['a fulfilled'])
    expect(semaphore.taken).toBe(0)
  })

  it('ends the request in hand at the deadline, without its handler and without a permit', async () => {
    const bench = new Bench()
    const semaphore = new Semaphore(1)
    const { server, ended, read } = run(bench, semaphore)
    await turns()
    const permit = await semaphore.acquire()
    server.put('a')
    await turns()
    const report = await server.close({ deadline: 0 })
    expect(report).toMatchObject({ aborted: 1, stillOpen: [{ bytesIn: 1 }] })
    await ended.promise
    expect(read).toEqual(['a aborted'])
    expect(bench.begun).toEqual([])
    expect(server.errors).toMatchObject([{ cause: 'deadline' }])
    expect(server.stats()).toMatchObject({ open: 0, served: 0, failed: 1, refused: 0 })
    expect(semaphore).toMatchObject({ taken: 1, waiting: 0 })
    permit.release()
    expect(semaphore.taken).toBe(0)
  })

  it('pulls no other before the outcome of one that ended in hand was read', async () => {
    const bench = new Bench()
    const semaphore = new Semaphore(1)
    const { server, outcomes } = byHand(bench, semaphore)
    const requests: MessageRequest[] = []
    server.verifyRequest = (request) => requests.push(request) > 0
    const first = outcomes.next()
    server.put('a')
    bench.end('a', 'c')
    expect((await first).value).toMatchObject({ status: 'fulfilled' })
    await turns()
    const permit = await semaphore.acquire()
    server.put('b', 'c')
    await turns()
    requests[1]?.abort(new Error('gone'))
    await turns(2)
    expect(server.ended.get('b')).toBe('aborted')
    expect(semaphore.waiting).toBe(0)
    permit.release()
    await turns(2)
    expect(server.pulled).toEqual(['a', 'b'])
    expect(semaphore.taken).toBe(0)
    expect((await outcomes.next()).value).toMatchObject({ status: 'aborted', reason: { origin: { message: 'gone' } } })
    await turns(2)
    expect(server.pulled).toEqual(['a', 'b', 'c'])
    expect((await outcomes.next()).value).toMatchObject({ status: 'fulfilled' })
    expect(bench.begun).toEqual(['a', 'c'])
    expect(semaphore.taken).toBe(0)
    await outcomes.return(undefined)
  })
})

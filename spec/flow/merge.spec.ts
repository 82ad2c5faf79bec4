import { describe, expect, expectTypeOf, it } from 'vitest'
import {
  BaseServer,
  type DatagramRequest,
  drain,
  ListenError,
  MessageRequest,
  merge,
  parallel,
  type Request,
  type StreamRequest,
  TCPServer,
  UnixStreamServer
} from '../../lib/index.ts'
import { deferred } from '../../lib/iterator/deferred.ts'
import { overhear } from '../support/events.ts'
import { exchange, exchangeDatagram, temporaryPath } from '../support/peers.ts'
import { QuietTCPServer } from '../support/quiet.ts'
import { tcp, udp, unix } from '../support/servers.ts'
import { turns, watch } from '../support/turns.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'

checkNothingUnhandled()

const end = { done: true, value: undefined }

/** A source that answers when it is told to, and remembers how often it was asked. */
class Told<T> implements AsyncIterableIterator<T> {
  #waiting = deferred<IteratorResult<T>>()
  asked = 0
  returned = 0

  next(): Promise<IteratorResult<T>> {
    this.asked++
    this.#waiting = deferred()
    return this.#waiting.promise
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  return(): Promise<IteratorResult<T>> {
    this.returned++
    return new Promise(() => {})
  }

  answer(value: T): void {
    this.#waiting.resolve({ done: false, value })
  }

  end(): void {
    this.#waiting.resolve({ done: true, value: undefined })
  }

  fail(error: Error): void {
    this.#waiting.reject(error)
  }
}

/** A source that answers at once, so many times. */
async function* atOnce(name: string, times: number): AsyncGenerator<string> {
  for (let i = 0; i < times; i++) yield `${name}${i}`
}

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of source) all.push(item)
  return all
}

describe('merge', () => {
  it('serves TCP, UDP and Unix with one handler and one limit', async () => {
    const servers = [await tcp(), await udp(), await unix()] as const
    const [streams, datagrams, local] = servers
    let running = 0
    let most = 0
    const handler = async ({ rfile, wfile }: Request): Promise<void> => {
      most = Math.max(most, ++running)
      await turns(3)
      running--
      await wfile.write((await rfile.readAll()).toString().toUpperCase())
    }
    const serving = drain(parallel(handler, { limit: 3 })(merge(...servers)))
    const asking = Array.from({ length: 8 }, () => [
      exchange(streams.address, 'tcp'),
      exchangeDatagram(datagrams.address, 'udp'),
      exchange(local.address, 'unix')
    ]).flat()
    expect(new Set(await Promise.all(asking))).toEqual(new Set(['TCP', 'UDP', 'UNIX']))
    expect(most).toBe(3)
    for (const server of servers) await server.close()
    await serving
    expect(servers.map((server) => server.stats().served)).toEqual([8, 8, 8])
  })

  it('yields what any of its sources yields', async () => {
    const merged = merge(new TCPServer(), await udp())
    expectTypeOf(merged).toEqualTypeOf<AsyncIterableIterator<StreamRequest | DatagramRequest>>()
    await merged.return?.()
    expect((await collect(merge([1, 2], atOnce('a', 2), new Set([3])))).sort()).toEqual([1, 2, 3, 'a0', 'a1'])
  })

  it('asks only while somebody waits, and nobody twice', async () => {
    const [a, b] = [new Told<string>(), new Told<string>()]
    const merged = merge(a, b)
    await turns()
    expect([a.asked, b.asked]).toEqual([0, 0])
    const first = merged.next()
    expect([a.asked, b.asked]).toEqual([1, 1])
    b.answer('b1')
    expect((await first).value).toBe('b1')
    a.answer('a1')
    await turns()
    expect([a.asked, b.asked]).toEqual([1, 1])
    // In hand: it needs no asking.
    expect((await merged.next()).value).toBe('a1')
    expect([a.asked, b.asked]).toEqual([1, 1])
    const [second, third] = [merged.next(), merged.next()]
    expect([a.asked, b.asked]).toEqual([2, 2])
    a.answer('a2')
    expect((await second).value).toBe('a2')
    // Another reader waits still.
    expect([a.asked, b.asked]).toEqual([3, 2])
    a.answer('a3')
    expect((await third).value).toBe('a3')
    const rest = merged.next()
    a.end()
    b.end()
    expect(await rest).toEqual(end)
    expect(await merged.next()).toEqual(end)
    expect([a.asked, b.asked]).toEqual([4, 2])
  })

  it('hands items out in the order in which their sources answered', async () => {
    const sources = ['a', 'b', 'c'].map(() => new Told<string>())
    const [a, b, c] = sources as [Told<string>, Told<string>, Told<string>]
    const merged = merge(...sources)
    const first = merged.next()
    c.answer('c')
    await turns()
    b.answer('b')
    await turns()
    a.answer('a')
    await turns()
    expect([await first, await merged.next(), await merged.next()].map(({ value }) => value)).toEqual(['c', 'b', 'a'])
    await merged.return?.()
  })

  it('lets no source get more than one item ahead of another that has one', async () => {
    const got = await collect(merge(atOnce('a', 50), atOnce('b', 50), ['c0', 'c1', 'c2']))
    for (let i = 0; i < 3; i++) {
      expect(new Set(got.slice(i * 3, i * 3 + 3))).toEqual(new Set([`a${i}`, `b${i}`, `c${i}`]))
    }
    const count = { a: 0, b: 0 }
    for (const item of got.slice(9)) {
      count[item[0] as 'a' | 'b']++
      expect(Math.abs(count.a - count.b)).toBeLessThanOrEqual(1)
    }
  })

  it('gives each item to one of several readers', async () => {
    const merged = merge(atOnce('a', 10), atOnce('b', 10))
    const loops = await Promise.all([collect(merged), collect(merged), collect(merged)])
    expect(loops.flat().length).toBe(20)
    expect(new Set(loops.flat()).size).toBe(20)
  })

  it('takes the same source twice', async () => {
    const source = atOnce('a', 5)
    expect((await collect(merge(source, source))).sort()).toEqual(['a0', 'a1', 'a2', 'a3', 'a4'])
    const server = await tcp()
    const serving = drain(parallel(({ wfile }: Request) => wfile.write('once'))(merge(server, server)))
    const replies = [1, 2, 3].map(() => exchange(server.address, ''))
    expect(await Promise.all(replies)).toEqual(['once', 'once', 'once'])
    await server.close()
    await serving
  })

  it('checks its arguments', () => {
    expect(() => merge()).toThrow('merge takes sources: got none')
    for (const wrong of [undefined, null, 5, 'text', {}, () => {}]) {
      expect(() => merge([], wrong as never)).toThrow(TypeError)
    }
  })
})

describe('merge, where a source fails', () => {
  it('serves the others, tells the server at once, and throws when all have ended', async () => {
    const good = await tcp()
    const taken = new QuietTCPServer({ port: good.address.port })
    const noted = deferred<unknown>()
    taken.handleError = (error) => noted.resolve(error)
    const echo = async ({ rfile, wfile }: Request): Promise<void> => wfile.write(await rfile.readAll())
    const serving = watch(drain(parallel(echo)(merge(taken, good))))
    const error = await noted.promise
    expect(error).toBeInstanceOf(ListenError)
    expect(error).toMatchObject({ code: 'EADDRINUSE' })
    expect(await exchange(good.address, 'still here')).toBe('still here')
    expect(serving.state).toBe('pending')
    await good.close()
    await expect(serving.promise).rejects.toBe(error)
  })

  it('throws one error for all of several', async () => {
    const [a, b, c] = [new Told<string>(), new Told<string>(), new Told<string>()]
    const merged = merge(a, b, c)
    const first = merged.next()
    a.fail(new Error('no a'))
    b.fail(new Error('no b'))
    c.answer('c1')
    expect((await first).value).toBe('c1')
    const last = merged.next()
    c.end()
    const error = (await last.catch((thrown: unknown) => thrown)) as AggregateError
    expect(error).toBeInstanceOf(AggregateError)
    expect(error.message).toBe('2 of 3 merged sources failed: no a; no b')
    expect(error.errors).toMatchObject([{ message: 'no a' }, { message: 'no b' }])
    expect(await merged.next()).toEqual(end)
  })

  it('hands out what is in hand first, and takes a source that throws at once for one that fails', async () => {
    const throwing = {
      [Symbol.iterator]: () => ({
        next: (): never => {
          throw new Error('at once')
        }
      })
    }
    const merged = merge(atOnce('a', 1), ['b'], throwing)
    const got = [(await merged.next()).value, (await merged.next()).value]
    expect(got.sort()).toEqual(['a0', 'b'])
    await expect(merged.next()).rejects.toThrow('at once')
    expect(await merged.next()).toEqual(end)
  })

  it('takes a source that does not keep to the protocol for one that fails', async () => {
    const wrong = { [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve(undefined as never) }) }
    await expect(merge(wrong, []).next()).rejects.toThrow(TypeError)
  })

  it('notes one failure of a server that stands there twice once', async () => {
    const good = await tcp()
    const taken = new QuietTCPServer({ port: good.address.port })
    await expect(merge(taken, taken).next()).rejects.toMatchObject({ code: 'EADDRINUSE' })
    expect(taken.errors).toHaveLength(1)
  })
})

describe('merge, when it is left', () => {
  it('closes the servers, whose ports are free then, without waiting for others', async () => {
    const [first, second] = [await new TCPServer().listen(), new UnixStreamServer({ path: temporaryPath() })]
    const { port } = first.address
    const parked = new Told<Request>()
    async function* waits(): AsyncGenerator<Request> {
      await new Promise(() => {})
      yield* []
    }
    const merged = merge(first, second, parked, waits())
    const reply = exchange(first.address, '')
    for await (const request of merged) {
      await request.close()
      break
    }
    expect(await reply).toBe('')
    expect(parked.returned).toBe(1)
    await (await new TCPServer({ port }).listen()).close()
    await Promise.all([first.closed, second.closed])
    expect(await merged.next()).toEqual(end)
    expect(await merged.return?.()).toEqual(end)
    expect(parked.returned).toBe(1)
  })

  it('ends its readers', async () => {
    const merged = merge(new Told<string>(), new Told<string>())
    const readers = [merged.next(), merged.next()]
    await merged.return?.()
    expect(await Promise.all(readers)).toEqual([end, end])
  })

  it('refuses what is in hand, and what arrives later', async () => {
    const server = new BaseServer()
    const [a, b, c] = [new Told<Request>(), new Told<Request>(), new Told<Request | string>()]
    const requests = ['a', 'b', 'c'].map((packet) => new MessageRequest({ server, packet }))
    const [first, inHand, late] = requests as [MessageRequest, MessageRequest, MessageRequest]
    using refused = overhear<{ reason: string }>('refused')
    const merged = merge(a, b, c)
    const taken = merged.next()
    a.answer(first)
    b.answer(inHand)
    expect((await taken).value).toBe(first)
    await merged.return?.()
    c.answer(late)
    await refused.count(2)
    expect(refused.messages.map(({ reason }) => reason)).toEqual(['closing', 'closing'])
    const outcomes = await Promise.all(
      [inHand, late].map((request) => new Promise((resolve) => request.whenClosed((_, outcome) => resolve(outcome))))
    )
    expect(outcomes).toMatchObject([{ status: 'aborted' }, { status: 'aborted' }])
    expect(server.stats().refused).toBe(2)
    await first.close()
  })
})

import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import {
  DatagramRequestHandler,
  drain,
  type FrameCodec,
  type FrameRequest,
  framed,
  LimitExceededError,
  lines,
  merge,
  type Outcome,
  parallel,
  type StreamRequest,
  StreamRequestHandler,
  TCPServer
} from '../../lib/index.ts'
import { deferred } from '../../lib/iterator/deferred.ts'
import { overhear } from '../support/events.ts'
import { dial, exchange, exchangeDatagram, received } from '../support/peers.ts'
import { QuietTCPServer } from '../support/quiet.ts'
import { tcp, udp } from '../support/servers.ts'
import { turns } from '../support/turns.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'
import { echo, forever, gated, serving, until } from './frames.ts'

checkNothingUnhandled()

describe('framed', () => {
  it('makes a request of each message on a connection', async () => {
    const frames: FrameRequest[] = []
    const { server, ended } = await serving((frame) => {
      frames.push(frame)
      return echo(frame)
    })
    expect(await exchange(server.address, 'a\r\nb\n\nlast')).toBe('a\nb\n\nlast\n')
    for (const frame of frames) {
      expect(frame.server).toBe(server)
      expect(frame.clientAddress).toBe(frame.connection.clientAddress)
      expect(frame.stopping.aborted).toBe(false)
    }
    await server.close()
    await ended
    expect([frames.length, server.errors]).toEqual([4, []])
  })

  it('is served by datagram and stream handlers, and by functions', async () => {
    class Packets extends DatagramRequestHandler {
      override handle(): Promise<void> {
        return this.wfile.write(`${this.packet.length}`)
      }
    }
    class Streams extends StreamRequestHandler {
      override timeout = 1_000
      override async handle(): Promise<void> {
        for await (const line of this.rfile.lines()) await this.wfile.write(line.toString().toUpperCase())
      }
    }
    const replies: string[] = []
    for (const handler of [Packets, Streams, echo]) {
      const { server } = await serving(handler)
      replies.push(await exchange(server.address, 'abc\n'))
      await server.close()
    }
    expect(replies).toEqual(['3\n', 'ABC\n', 'abc\n'])
  })

  it('sends replies in the order of the frames, whatever order they are served in', async () => {
    const { handler, began, gate } = gated()
    const { server } = await serving(handler)
    const reply = exchange(server.address, 'a\nb\nc\nd\n')
    await until(() => began.length === 4)
    for (const text of ['d', 'b', 'c', 'a']) {
      gate(text).resolve()
      await turns()
    }
    expect(await reply).toBe('A\nB\nC\nD\n')
    await server.close()
  })

  it('sends a reply at once where those before it have left', async () => {
    const { handler, began, gate } = gated()
    const { server } = await serving(handler)
    const client = await dial(server.address)
    let got = ''
    client.setEncoding('utf8').on('data', (text: string) => {
      got += text
    })
    client.write('a\nb\nc\n')
    await until(() => began.length === 3)
    gate('b').resolve()
    gate('a').resolve()
    await until(() => got === 'A\nB\n')
    gate('c').resolve()
    await until(() => got === 'A\nB\nC\n')
    client.end()
    await server.close()
  })

  it('sends nothing where nothing was written, and an empty reply for an empty write', async () => {
    const { server } = await serving(async ({ packet, wfile }) => {
      if (packet.toString() !== 'silent') await wfile.write('')
    })
    expect(await exchange(server.address, 'silent\nempty\nsilent\nempty\n')).toBe('\n\n')
    await server.close()
  })

  it('lets a mode bound the work by message', async () => {
    let running = 0
    let most = 0
    const { server } = await serving(
      async (frame) => {
        most = Math.max(most, ++running)
        await turns(2)
        running--
        await echo(frame)
      },
      { limit: 3 }
    )
    const clients = Array.from({ length: 20 }, () => exchange(server.address, 'a\nb\nc\n'))
    expect(new Set(await Promise.all(clients))).toEqual(new Set(['a\nb\nc\n']))
    expect(most).toBe(3)
    await server.close()
  })

  it('does not hold a permit for a reply that waits for one before it', async () => {
    const { handler, began, gate } = gated()
    const { server, outcomes } = await serving(handler, { limit: 2 })
    const reply = exchange(server.address, 'slow\na\nb\nc\n')
    for (const text of ['a', 'b', 'c']) {
      await until(() => began.includes(text))
      gate(text).resolve()
    }
    await until(() => outcomes.length === 3)
    gate('slow').resolve()
    expect(await reply).toBe('SLOW\nA\nB\nC\n')
    await server.close()
  })

  it('hands out at most maxInFlight frames of a connection, and reads no further', async () => {
    const { handler, began, gate } = gated()
    const { server } = await serving(handler, { maxInFlight: 2, limit: 10 })
    const client = await dial(server.address)
    client.on('error', () => {})
    client.write('a\nb\nc\nd\n'.concat('y\n'.repeat(4_000_000)))
    await until(() => began.length === 2)
    gate('b').resolve()
    await turns(20)
    // The reply to b waits for that to a, and so holds its place.
    expect(began).toEqual(['a', 'b'])
    expect(server.stats().bytesIn).toBeLessThan(1_000_000)
    gate('a').resolve()
    await until(() => began.length === 4)
    expect(began).toEqual(['a', 'b', 'c', 'd'])
    client.resetAndDestroy()
    await server.close()
  })

  it('lets connections that have a frame ready take turns', async () => {
    const server = await tcp()
    const frames = framed(lines(), { maxInFlight: forever })(server)
    const first = frames.next()
    const [busy, quiet] = [await dial(server.address), await dial(server.address)]
    busy.write('busy\n'.repeat(100))
    const texts: string[] = [String((await first).value?.packet)]
    quiet.write('quiet\n'.repeat(3))
    await until(() => server.counters.bytesIn === 518)
    for (let i = 0; i < 8; i++) {
      const { value } = await frames.next()
      texts.push(String(value?.packet))
      await value?.close()
    }
    // One was ready before the quiet one's came; from then on each has its turn.
    expect(texts.slice(2).join(' ')).toBe('quiet busy quiet busy quiet busy busy')
    for (const client of [busy, quiet]) client.resetAndDestroy()
    await frames.return?.()
  })

  it('gives each frame to one of several readers, and the end to all', async () => {
    const server = await tcp()
    const frames = framed(lines())(server)
    const reads = Array.from({ length: 5 }, () => frames.next())
    const reply = exchange(server.address, 'a\nb\nc\n')
    const got = await Promise.all(reads.slice(0, 3))
    expect(got.map(({ value }) => String(value?.packet))).toEqual(['a', 'b', 'c'])
    for (const { value } of got) await value?.close()
    expect(await reply).toBe('')
    await server.close()
    expect(await Promise.all(reads.slice(3))).toEqual(Array(2).fill({ done: true, value: undefined }))
  })

  it('holds at most maxConnections; the others wait on the server', async () => {
    const { server } = await serving(echo, { maxConnections: 1, backend: 'node' })
    const first = await dial(server.address)
    first.write('a\n')
    await once(first, 'data')
    const second = exchange(server.address, 'b\n')
    await until(() => server.stats().waiting === 1)
    await turns(5)
    expect(server.stats()).toMatchObject({ open: 1, waiting: 1 })
    first.end()
    expect(await second).toBe('b\n')
    await server.close()
  })

  it('refuses what is no connection, and goes on', async () => {
    const [stream, datagrams] = [await tcp(), await udp()]
    const serve = drain(parallel(echo)(framed(lines())(merge(stream, datagrams))))
    const noted = deferred<unknown>()
    datagrams.handleError = (error) => noted.resolve(error)
    using refused = overhear('refused')
    // Nobody answers it: the socket waits until the process ends.
    void exchangeDatagram(datagrams.address, 'no')
    expect(await noted.promise).toBeInstanceOf(TypeError)
    await refused.count(1)
    expect(await exchange(stream.address, 'yes\n')).toBe('yes\n')
    expect(datagrams.stats().refused).toBe(1)
    await Promise.all([stream.close(), datagrams.close()])
    await serve
  })

  it('counts connections as accepted and frames as served', async () => {
    const { server } = await serving(echo)
    await Promise.all([exchange(server.address, 'a\nb\n'), exchange(server.address, 'c\n')])
    expect(await server.close()).toMatchObject({ aborted: 0, refused: 0, stillOpen: [] })
    const counted = { accepted: 2, served: 3, failed: 0, refused: 0, bytesIn: 6, bytesOut: 6, open: 0 }
    expect(server.stats()).toMatchObject(counted)
  })

  it('hands each connection to closeRequest, once', async () => {
    const closed: string[] = []
    class Closing extends TCPServer {
      override closeRequest(...[request, outcome]: Parameters<TCPServer['closeRequest']>): Promise<void> {
        closed.push(`${request.constructor.name} ${outcome.status}`)
        return request.close(outcome)
      }
    }
    const server = await new Closing().listen()
    const serve = drain(parallel(echo)(framed(lines())(server)))
    await exchange(server.address, 'a\n')
    await server.close()
    await serve
    expect(closed).toEqual(['FrameRequest fulfilled', 'StreamRequest fulfilled'])
  })

  it('can end the connection after a reply', async () => {
    const { server } = await serving(async (frame) => {
      if (frame.packet.toString() === 'quit') frame.whenClosed(() => void frame.connection.close())
      await echo(frame)
    })
    const client = await dial(server.address)
    client.write('a\nquit\n')
    expect((await received(client)).toString()).toBe('a\nquit\n')
    client.end()
    await server.close()
    expect(server.errors).toEqual([])
  })

  it('checks its arguments', () => {
    expect(() => framed(undefined as never)).toThrow(
      'framed takes a codec, such as lines(), with decode and encode: got undefined'
    )
    expect(() => framed({ decode: lines().decode } as never)).toThrow(TypeError)
    expect(() => framed(lines(), { inFlight: 1 } as never)).toThrow('framed has no option inFlight')
    expect(() => framed(lines(), { maxInFlight: 0 })).toThrow(RangeError)
    expect(() => framed(lines(), { maxConnections: 0 })).toThrow(RangeError)
    expect(() => framed(lines(), { closeOnError: 1 as never })).toThrow(TypeError)
    expect(() => lines({ limit: 0 })).toThrow(RangeError)
    expect(() => lines({ eol: '' })).toThrow(RangeError)
    expect(() => lines({ end: '\n' } as never)).toThrow('lines has no option end')
  })
})

describe('framed, where something goes wrong', () => {
  it('ends the connection of a frame that failed, after the replies before it', async () => {
    const { handler, began, gate } = gated()
    const { server, outcomes } = await serving(handler)
    const other = await dial(server.address)
    other.write('other\n')
    const reply = exchange(server.address, 'a\nb\nc\nd\n')
    await until(() => began.length === 5)
    gate('d').resolve()
    gate('b').reject(new Error('no b'))
    await until(() => outcomes.length === 2)
    using undelivered = overhear<{ error: Error }>('undelivered')
    gate('a').resolve()
    expect(await reply).toBe('A\n')
    await until(() => outcomes.length === 4)
    // The handler behind it was told, and the reply that was ready is not lost in silence.
    const c = outcomes.find(({ request }) => request.packet.toString() === 'c')
    expect(c).toMatchObject({ status: 'aborted', reason: { cause: 'server-error', origin: { message: 'no b' } } })
    expect(undelivered.messages).toMatchObject([{ error: { cause: 'server-error' } }])
    gate('other').resolve()
    expect(String((await once(other, 'data'))[0])).toBe('OTHER\n')
    other.end()
    await server.close()
  })

  it('goes on with closeOnError: false, and leaves the reply out', async () => {
    const { server } = await serving(
      async ({ packet, wfile }) => {
        await wfile.write(packet)
        if (packet.toString() === 'b') throw new Error('no b')
      },
      { closeOnError: false }
    )
    expect(await exchange(server.address, 'a\nb\nc\n')).toBe('a\nc\n')
    await server.close()
    expect(server.stats()).toMatchObject({ served: 2, failed: 1 })
  })

  it('takes what encode throws as the error of that frame', async () => {
    const { decode, encode } = lines()
    const codec: FrameCodec = {
      decode,
      encode: (message) => {
        if (message.toString() === 'b') throw new Error('cannot encode b')
        return encode(message)
      }
    }
    const { server, outcomes } = await serving(echo, { codec, closeOnError: false })
    expect(await exchange(server.address, 'a\nb\nc\n')).toBe('a\nc\n')
    await server.close()
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'fulfilled', 'rejected'])
    expect(server.errors).toMatchObject([{ message: 'cannot encode b' }])
  })

  it('takes longer lines of those who come when the limit of its codec was raised, and no wrong limit', async () => {
    const codec = lines({ limit: 5 })
    const { server, ended } = await serving(echo, { codec })
    expect(await exchange(server.address, 'four\n')).toBe('four\n')
    expect(await exchange(server.address, 'fives\n').catch(() => '')).toBe('')
    expect(() => {
      codec.limit = 0
    }).toThrow(RangeError)
    codec.limit = 6
    expect(await exchange(server.address, 'fives\n')).toBe('fives\n')
    await server.close()
    await ended
  })

  it('ends the connection at an error of the codec, after the replies that are due', async () => {
    const { handler, began, gate } = gated()
    const { server } = await serving(handler, { codec: lines({ limit: 10 }) })
    const noted = deferred<unknown[]>()
    server.handleError = (...given: unknown[]) => noted.resolve(given)
    const other = await dial(server.address)
    other.write('other\n')
    const reply = exchange(server.address, `a\nb\n${'x'.repeat(11)}\nc\n`)
    await until(() => began.length === 3)
    gate('b').resolve()
    gate('a').resolve()
    expect(await reply).toBe('A\nB\n')
    const [error, connection] = await noted.promise
    expect(error).toBeInstanceOf(LimitExceededError)
    expect((connection as { bytesIn: number }).bytesIn).toBe(18)
    gate('other').resolve()
    expect(String((await once(other, 'data'))[0])).toBe('OTHER\n')
    other.end()
    await server.close()
  })

  it('ends only its connection where a codec is broken', async () => {
    const { encode } = lines()
    const fails = (): never => {
      throw new Error('at once')
    }
    const broken: FrameCodec[] = [
      { decode: () => undefined as never, encode },
      { decode: fails, encode },
      { decode: () => ({ [Symbol.asyncIterator]: () => ({ next: fails }) }), encode },
      {
        decode: () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.resolve(undefined as never) }) }),
        encode
      },
      {
        async *decode() {
          await turns()
          yield 5 as never
        },
        encode
      }
    ]
    for (const codec of broken) {
      const { server } = await serving(echo, { codec })
      expect(await exchange(server.address, 'a\n')).toBe('')
      expect(await exchange(server.address, 'a\n')).toBe('')
      await server.close()
      expect(server.errors).toHaveLength(2)
    }
  })

  it('aborts the frames of a connection that is reset, with its reason', async () => {
    const { handler, began } = gated()
    const { server, outcomes } = await serving(handler)
    const client = await dial(server.address)
    client.write('a\nb\n')
    await until(() => began.length === 2)
    client.resetAndDestroy()
    await until(() => outcomes.length === 2)
    for (const { status, request } of outcomes) {
      expect(status).toBe('aborted')
      expect(request.abortReason).toMatchObject({ cause: 'peer-gone' })
      expect(request.signal.reason).toBe(request.connection.abortReason)
    }
    await server.close()
  })

  it('is silent about a client at rest that resets', async () => {
    const { server } = await serving(echo)
    const client = await dial(server.address)
    client.write('a\n')
    await once(client, 'data')
    client.resetAndDestroy()
    await until(() => server.stats().open === 0)
    await server.close()
    expect(server.errors).toEqual([])
  })

  it('lets the connection have a time limit', async () => {
    class Limited extends QuietTCPServer {
      override verifyRequest(request: StreamRequest): boolean {
        request.configure({ timeout: 20 })
        return true
      }
    }
    const server = await new Limited().listen()
    const outcomes: Outcome<FrameRequest>[] = []
    const big = Buffer.alloc(16 * 1024 * 1024)
    const serve = async (): Promise<void> => {
      const handler = ({ packet, wfile }: FrameRequest): Promise<void> => wfile.write(big.subarray(0, Number(packet)))
      for await (const outcome of parallel(handler)(framed(lines())(server))) outcomes.push(outcome)
    }
    const served = serve()
    const [silent, deaf] = [await dial(server.address), await dial(server.address)]
    deaf.on('error', () => {}).pause()
    deaf.write(`${big.length}\n`)
    await received(silent)
    silent.end()
    await until(() => outcomes.length === 1)
    expect(outcomes[0]).toMatchObject({ status: 'aborted', reason: { cause: 'timeout' } })
    expect(outcomes[0]?.request.signal.reason).toBe(outcomes[0]?.request.connection.abortReason)
    deaf.destroy()
    await server.close()
    await served
    expect(server.errors).toHaveLength(1)
  })

  it('stops reading from a client that does not read, and costs a mode one permit', async () => {
    const reply = Buffer.alloc(100_000, 'r')
    let handled = 0
    const { server } = await serving(
      async ({ packet, wfile }) => {
        if (packet.toString() === 'other') return wfile.write('served')
        handled++
        return wfile.write(reply)
      },
      { limit: 2, maxInFlight: 8 }
    )
    const client = await dial(server.address)
    const asked = 400
    client.end('x\n'.repeat(asked))
    for (let before = -1; before !== handled; await turns(50)) before = handled
    expect(handled).toBeLessThan(asked)
    expect(await exchange(server.address, 'other\n')).toBe('served\n')
    expect((await received(client)).length).toBe(asked * (reply.length + 1))
    expect(handled).toBe(asked)
    await server.close()
  })

  it('throws the error of its source when all connections have ended', async () => {
    const { handler, began, gate } = gated()
    const server = await tcp()
    async function* failing(): AsyncGenerator<never> {
      for await (const request of server.requests({ closeOnReturn: false })) {
        yield request as never
        break
      }
      throw new Error('the source is dead')
    }
    const outcomes = parallel(handler)(framed(lines())(failing()))
    const first = outcomes.next()
    const reply = exchange(server.address, 'a\n')
    await until(() => began.length === 1)
    gate('a').resolve()
    expect((await first).value).toMatchObject({ status: 'fulfilled' })
    expect(await reply).toBe('A\n')
    await expect(outcomes.next()).rejects.toThrow('the source is dead')
    expect(await outcomes.next()).toEqual({ done: true, value: undefined })
    await expect(framed(lines())([5 as never]).next()).rejects.toThrow('framed takes a source of connections: got 5')
  })
})

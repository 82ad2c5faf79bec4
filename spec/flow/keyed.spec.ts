import { describe, expect, it } from 'vitest'
import { KeyOrder } from '../../lib/flow/key-order.ts'
import { serveRequest } from '../../lib/handler/run.ts'
import {
  type DatagramRequest,
  drain,
  type FrameRequest,
  framed,
  lines,
  type MessageRequest,
  type Outcome,
  parallel,
  type Request,
  type StreamRequest,
  TCPServer
} from '../../lib/index.ts'
import { type Deferred, deferred } from '../../lib/iterator/deferred.ts'
import { Counter } from '../support/counter.ts'
import { overhear } from '../support/events.ts'
import { dial, exchange, received } from '../support/peers.ts'
import { tcp, udp } from '../support/servers.ts'
import { turns, watch } from '../support/turns.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'

checkNothingUnhandled()

const initial = ({ packet }: MessageRequest): string => packet.toString().charAt(0)

/** Requests that were put on a server, served by their first letter; each lasts until it is ended. */
function serve(packets: string[], key: (request: MessageRequest) => unknown = initial, limit = 10) {
  const server = new Counter()
  server.put(...packets)
  const begun: string[] = []
  const requests = new Map<string, MessageRequest>()
  const gates = new Map<string, Deferred<void>>(packets.map((name) => [name, deferred<void>()]))
  const handler = async ({ packet, signal }: MessageRequest): Promise<string> => {
    const name = packet.toString()
    begun.push(name)
    signal.addEventListener('abort', () => gates.get(name)?.resolve())
    await gates.get(name)?.promise
    return name
  }
  server.verifyRequest = (request) => {
    requests.set(request.packet.toString(), request)
    return true
  }
  const read: string[] = []
  const outcomes = parallel(handler, { limit, key })(server)
  const reading = async (): Promise<void> => {
    for await (const { request, status } of outcomes) read.push(`${request.packet.toString()} ${status}`)
  }
  return {
    server,
    begun,
    read,
    outcomes,
    ended: watch(reading()),
    end: (...names: string[]) => {
      for (const name of names) gates.get(name)?.resolve()
    },
    request: (name: string) => requests.get(name) as MessageRequest
  }
}

describe('parallel with a key', () => {
  it('serves requests of one key in order, and keys side by side', async () => {
    const { server, begun, end, ended, read } = serve(['a1', 'a2', 'b1', 'a3', 'b2', 'c1'])
    await turns(2)
    expect(begun).toEqual(['a1', 'b1', 'c1'])
    end('a2', 'b1')
    await turns(2)
    expect(begun).toEqual(['a1', 'b1', 'c1', 'b2'])
    expect(read).toEqual(['b1 fulfilled'])
    end('a1')
    await turns(2)
    expect(begun.slice(4)).toEqual(['a2', 'a3'])
    end('a3', 'b2', 'c1')
    await server.close()
    await ended.promise
    expect(read).toHaveLength(6)
  })

  it('has one that waits for its key keep its permit', async () => {
    const { server, begun, end, ended } = serve(['a1', 'a2', 'b1', 'b2'], initial, 2)
    await turns(2)
    expect(server.pulled).toEqual(['a1', 'a2'])
    expect(begun).toEqual(['a1'])
    end('a1', 'a2', 'b1', 'b2')
    await server.close()
    await ended.promise
    expect(begun).toEqual(['a1', 'a2', 'b1', 'b2'])
  })

  it.each([
    ['NaN', [Number.NaN, Number.NaN], 1],
    ['the two zeros', [0, -0], 1],
    ['undefined', [undefined, undefined], 1],
    ['null and undefined', [null, undefined], 2],
    ['1 and "1"', [1, '1'], 2],
    ['two objects', [{}, {}], 2],
    ['null', [null, null], 1]
  ])('tells keys apart as a Map does: %s', async (_, keys, atOnce) => {
    const { server, begun, end, ended } = serve(['0', '1'], ({ packet }) => keys[Number(packet.toString())])
    await turns(2)
    expect(begun).toHaveLength(atOnce)
    end('0', '1')
    await server.close()
    await ended.promise
  })

  it('asks for the key of each request once', async () => {
    const asked: string[] = []
    const key = (request: MessageRequest): string => {
      asked.push(request.packet.toString())
      return 'all the same'
    }
    const { server, begun, end, ended } = serve(['a', 'b', 'c'], key)
    end('a', 'b', 'c')
    await turns(2)
    await server.close()
    await ended.promise
    expect(begun).toEqual(['a', 'b', 'c'])
    expect(asked).toEqual(['a', 'b', 'c'])
  })

  it('rejects a request whose key throws, and holds nobody up', async () => {
    const key = (request: MessageRequest): string => {
      if (request.packet.toString() === 'b!') throw new Error('no key')
      return initial(request)
    }
    const { server, begun, end, ended, read } = serve(['b1', 'b!', 'b2'], key)
    await turns(2)
    expect(read).toEqual(['b! rejected'])
    expect(server.errors).toMatchObject([{ message: 'no key' }])
    expect(server.ended.get('b!')).toBe('rejected')
    end('b1', 'b2')
    await server.close()
    await ended.promise
    expect(begun).toEqual(['b1', 'b2'])
    expect(server.stats()).toMatchObject({ served: 2, failed: 1, refused: 0, open: 0 })
  })

  it.each([
    ['resolves', () => Promise.resolve('a')],
    ['rejects', () => Promise.reject(new Error('never seen'))],
    // biome-ignore lint/suspicious/noThenProperty: it is a thenable on purpose
    ['is only like one', () => ({ then: () => {} })]
  ])('takes no promise for a key, where it %s', async (_, key) => {
    const { server, begun, ended, read } = serve(['a'], key)
    await turns(2)
    expect(read).toEqual(['a rejected'])
    expect(server.errors).toMatchObject([{ name: 'TypeError', message: /^Option key must return the key itself/ }])
    expect(begun).toEqual([])
    await server.close()
    await ended.promise
  })

  it('goes on with the next of a key where one fails', async () => {
    const server = new Counter()
    server.put('a1', 'a2')
    const seen: string[] = []
    const handler = ({ packet }: MessageRequest): void => {
      seen.push(packet.toString())
      if (seen.length === 1) throw new Error('the first')
    }
    const outcomes: Outcome<MessageRequest>['status'][] = []
    const serving = (async () => {
      for await (const { status } of parallel(handler, { key: initial })(server)) outcomes.push(status)
    })()
    await turns(2)
    await server.close()
    await serving
    expect(seen).toEqual(['a1', 'a2'])
    expect(outcomes).toEqual(['rejected', 'fulfilled'])
  })

  it('begins the next of a key when the one before was closed, though nobody has read its outcome', async () => {
    const server = new Counter()
    server.put('a1', 'a2')
    const seen: string[] = []
    const handler = ({ packet }: MessageRequest): void => void seen.push(packet.toString())
    const outcomes = parallel(handler, { key: initial, limit: 3 })(server)
    await outcomes.next()
    await turns(2)
    expect(seen).toEqual(['a1', 'a2'])
    await outcomes.return?.()
  })

  it('ends one that is aborted while it waits, at once and without its handler', async () => {
    using starts = overhear('start')
    const { server, begun, end, ended, read, request } = serve(['a1', 'a2', 'a3'])
    await turns(2)
    request('a2').abort(new Error('gone'))
    // Gone, and somebody's still: a server that closes waits for its outcome.
    expect(server.stats().open).toBe(3)
    await turns(2)
    expect(read).toEqual(['a2 aborted'])
    expect(begun).toEqual(['a1'])
    expect(server.ended.get('a2')).toBe('aborted')
    expect(server.errors).toMatchObject([{ code: 'ERR_REQUEST_ABORTED', origin: { message: 'gone' } }])
    expect(starts.messages).toHaveLength(3)
    end('a1', 'a3')
    await server.close()
    await ended.promise
    expect(begun).toEqual(['a1', 'a3'])
    expect(server.stats()).toMatchObject({ served: 2, failed: 1, open: 0 })
  })

  it('ends one that was aborted before it came', async () => {
    const { server, begun, end, ended, read } = serve(['a1', 'a2', 'a3'])
    server.verifyRequest = (request) => {
      if (request.packet.toString() === 'a2') request.abort()
      return true
    }
    await turns(2)
    expect(read).toEqual(['a2 aborted'])
    end('a1', 'a3')
    await server.close()
    await ended.promise
    expect(begun).toEqual(['a1', 'a3'])
  })

  it('serves those who wait when its server closes, and ends them all at the deadline', async () => {
    const { server, begun, end, ended, read } = serve(['a1', 'a2', 'a3', 'a4', 'b1'])
    await turns(2)
    const closed = watch(server.close({ deadline: 60_000 }))
    end('a1')
    await turns(2)
    expect(begun).toEqual(['a1', 'b1', 'a2'])
    expect(closed.state).toBe('pending')
    const report = await server.close({ deadline: 0 })
    expect(report).toMatchObject({ finished: 1, aborted: 4, refused: 0 })
    await ended.promise
    expect(begun).toEqual(['a1', 'b1', 'a2'])
    expect([...read].sort()).toEqual(['a1 fulfilled', 'a2 aborted', 'a3 aborted', 'a4 aborted', 'b1 aborted'])
    expect(server.stats()).toMatchObject({ served: 1, failed: 4, refused: 0, open: 0 })
  })

  it('refuses those who wait when it is left, and waits for those who run', async () => {
    using refusals = overhear('refused')
    const { server, begun, end, ended, outcomes, read } = serve(['a1', 'a2', 'a3', 'b1'])
    await turns(2)
    expect(begun).toEqual(['a1', 'b1'])
    const left = watch(outcomes.return?.() as Promise<unknown>)
    await ended.promise
    await turns(2)
    expect(left.state).toBe('pending')
    expect(server.ended).toEqual(
      new Map([
        ['a2', 'aborted'],
        ['a3', 'aborted']
      ])
    )
    expect(refusals.messages).toMatchObject([{ reason: 'closing' }, { reason: 'closing' }])
    end('a1', 'b1')
    await left.promise
    expect(await server.closed).toMatchObject({ finished: 2, aborted: 0, refused: 2 })
    expect(begun).toEqual(['a1', 'b1'])
    expect(read).toEqual([])
    expect(server.errors).toEqual([])
    expect(server.stats()).toMatchObject({ served: 2, failed: 0, refused: 2, open: 0 })
  })

  it('holds no close up by one that was closed while it waited', async () => {
    const { server, begun, end, outcomes, request } = serve(['a1', 'a2'])
    await turns(2)
    await request('a2').close()
    end('a1')
    const left = outcomes.return?.()
    await left
    await server.closed
    expect(begun).toEqual(['a1'])
    expect(server.stats()).toMatchObject({ served: 1, refused: 1, open: 0 })
  })

  it('forgets a key with its last request', async () => {
    const gates = [deferred<void>(), deferred<void>(), deferred<void>()]
    const server = new Counter()
    server.put('a', 'a', 'b')
    let i = 0
    const begin = (request: MessageRequest) => serveRequest(request, () => gates[i++]?.promise)
    const order = new KeyOrder<MessageRequest, unknown>(initial, begin)
    const served = []
    for await (const request of server) {
      served.push(watch(order.serve(request)))
      if (served.length === 3) break
    }
    expect(order.size).toBe(2)
    gates[1]?.resolve()
    await turns()
    expect(order.size).toBe(1)
    gates[0]?.resolve()
    await turns()
    expect(order.size).toBe(1)
    gates[2]?.resolve()
    await turns()
    expect(order.size).toBe(0)
    expect(served.map(({ state }) => state)).toEqual(['fulfilled', 'fulfilled', 'fulfilled'])
    await server.closed
  })

  it('takes a function', () => {
    expect(() => parallel(() => {}, { key: 'id' as never })).toThrow(
      new TypeError('Option key must be a function: got "id"')
    )
    expect(() => parallel(() => {}, { kye: 1 } as never)).toThrow('parallel has no option kye')
    expect(() => parallel(() => {}, { limit: {} as never })).toThrow(
      new TypeError('Option limit must be a number or a Semaphore: got {}')
    )
  })
})

describe('parallel with a key, over sockets', () => {
  it('serves the connections of one client in order', async () => {
    const server = await tcp()
    const seen: string[] = []
    const gate = deferred<void>()
    const handler = async (request: StreamRequest): Promise<void> => {
      const line = await request.rfile.readLine({ chomp: true })
      seen.push(`${line}`)
      await gate.promise
      await request.wfile.write(`${line}`)
    }
    const key = ({ clientAddress }: StreamRequest): unknown =>
      clientAddress?.family === 'unix' ? undefined : clientAddress?.host
    const serving = drain(parallel(handler, { key })(server))
    const first = exchange(server.address, 'one\n')
    while (seen.length === 0) await turns()
    const second = exchange(server.address, 'two\n')
    while (server.stats().open < 2) await turns()
    await turns(3)
    expect(seen).toEqual(['one'])
    gate.resolve()
    expect(await Promise.all([first, second])).toEqual(['one', 'two'])
    await server.close()
    await serving
  })

  it('cuts connections at the deadline that wait for their key', async () => {
    const server = await tcp()
    const seen: Request[] = []
    const handler = async (request: Request): Promise<void> => {
      seen.push(request)
      await request.rfile.readAll()
    }
    const outcomes: string[] = []
    const serving = (async () => {
      for await (const { status } of parallel(handler, { key: () => 'one' })(server)) outcomes.push(status)
    })()
    const clients = [await dial(server.address), await dial(server.address), await dial(server.address)]
    while (server.stats().open < 3) await turns()
    const report = await server.close({ deadline: 0 })
    expect(report).toMatchObject({ finished: 0, aborted: 3, refused: 0 })
    await serving
    expect(outcomes).toEqual(['aborted', 'aborted', 'aborted'])
    expect(seen).toHaveLength(1)
    for (const client of clients) await received(client).catch(() => {})
  })

  it('serves frames by what they say, whatever connection they came by', async () => {
    const server = await tcp()
    const seen: string[] = []
    const gate = deferred<void>()
    const handler = async ({ packet, wfile }: FrameRequest): Promise<void> => {
      const text = packet.toString()
      seen.push(text)
      if (text === 'a1') await gate.promise
      await wfile.write(text)
    }
    const serving = drain(parallel(handler, { limit: 8, key: initial })(framed(lines())(server)))
    const first = exchange(server.address, 'a1\nb1\n')
    while (seen.length < 2) await turns()
    const second = exchange(server.address, 'b2\na2\n')
    while (seen.length < 3) await turns()
    await turns(3)
    expect(seen).toEqual(['a1', 'b1', 'b2'])
    gate.resolve()
    expect(await Promise.all([first, second])).toEqual(['a1\nb1\n', 'b2\na2\n'])
    expect(seen).toEqual(['a1', 'b1', 'b2', 'a2'])
    await server.close()
    await serving
  })

  it('refuses the frames that wait when it is left, and answers those who run', async () => {
    const server = await tcp()
    const seen: string[] = []
    const gate = deferred<void>()
    const handler = async ({ packet, wfile }: FrameRequest): Promise<void> => {
      seen.push(packet.toString())
      await gate.promise
      await wfile.write(packet)
    }
    const outcomes = parallel(handler, { limit: 8, key: initial })(framed(lines(), { closeOnError: false })(server))
    void outcomes.next()
    const answer = exchange(server.address, 'a1\na2\na3\nb1\n')
    while (seen.length < 2) await turns()
    await turns(3)
    const left = outcomes.return?.()
    gate.resolve()
    await left
    expect(seen).toEqual(['a1', 'b1'])
    expect(await answer).toBe('a1\nb1\n')
    await server.closed
    expect(server.stats()).toMatchObject({ open: 0, refused: 2 })
  })

  it('serves datagrams by what they say', async () => {
    const server = await udp()
    const seen: string[] = []
    const gate = deferred<void>()
    const handler = async ({ packet }: DatagramRequest): Promise<void> => {
      const text = packet.toString()
      seen.push(text)
      if (text === 'a1') await gate.promise
    }
    const serving = drain(parallel(handler, { limit: 8, key: initial })(server))
    const { createSocket } = await import('node:dgram')
    const client = createSocket('udp4')
    const say = (text: string): Promise<void> =>
      new Promise((resolve) => client.send(text, server.address.port, server.address.host, () => resolve()))
    for (const text of ['a1', 'a2', 'b1', 'a3']) await say(text)
    while (server.stats().open < 3) await turns()
    await turns(3)
    expect(seen).toEqual(['a1', 'b1'])
    gate.resolve()
    while (seen.length < 4) await turns()
    expect(seen).toEqual(['a1', 'b1', 'a2', 'a3'])
    client.close()
    await server.close()
    await serving
  })

  it('is typed by what the handler serves', () => {
    // Only that it compiles: the key gets what the handler gets.
    const handler = (request: StreamRequest) => request.close()
    void parallel(handler, { key: (request) => request.servername })
    void (() => new TCPServer().serveForever(parallel(handler, { key: ({ clientAddress }) => clientAddress })))
  })
})

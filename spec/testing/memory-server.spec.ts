import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  AbortedError,
  type AcceptedEvent,
  NotListeningError,
  parallel,
  type StreamRequest,
  StreamRequestHandler
} from '../../lib/index.ts'
import { MemoryDatagramServer, MemoryServer } from '../../lib/testing/entry.ts'
import { runChild } from '../support/child.ts'
import { overhear } from '../support/events.ts'
import { gone } from '../support/servers.ts'
import { turns } from '../support/turns.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'

const KiB = 1024

checkNothingUnhandled()

async function memory(options: ConstructorParameters<typeof MemoryServer>[0] = {}): Promise<MemoryServer> {
  const server = new MemoryServer(options)
  server.handleError = () => {}
  onTestFinished(async () => {
    await server.close({ deadline: 0 })
  })
  return server.listen()
}

async function connected() {
  const server = await memory()
  const client = server.connect()
  client.on('error', () => {})
  const { value } = await server.requests({ closeOnReturn: false }).next()
  return { server, client, request: value as StreamRequest }
}

describe('a memory server', () => {
  it('says what it is, and who calls', async () => {
    const server = await memory()
    expect(server.address).toEqual({ family: 'unix', path: 'memory' })
    expect(server.fileno()).toBe(undefined)
    const elsewhere = await memory({ address: { family: 'IPv4', host: '192.0.2.1', port: 80 } })
    expect(elsewhere.address).toEqual({ family: 'IPv4', host: '192.0.2.1', port: 80 })
    const clientAddress = { family: 'IPv6', host: '2001:db8::1', port: 9 } as const
    elsewhere.connect({ clientAddress })
    elsewhere.connect()
    const requests = elsewhere.requests({ closeOnReturn: false })
    expect((await requests.next()).value?.clientAddress).toEqual(clientAddress)
    expect((await requests.next()).value?.clientAddress).toEqual({ family: 'unix', path: '' })
    expect(() => new MemoryServer().address).toThrow(NotListeningError)
  })

  it('refuses wrong options, by name', async () => {
    const server = await memory()
    expect(() => new MemoryServer({ port: 1 } as object)).toThrow(/MemoryServer has no option port/)
    expect(() => new MemoryServer({ maxPending: 0 })).toThrow(RangeError)
    expect(() => new MemoryServer({ address: 'here' as never })).toThrow(/Option address must be an address/)
    expect(() => new MemoryDatagramServer({ maxPacketSize: 0 })).toThrow(RangeError)
    expect(() => server.connect({ from: 1 } as object)).toThrow(/connect has no option from/)
    expect(() => server.connect({ clientAddress: {} as never })).toThrow(/Option clientAddress must be an address/)
  })

  it('refuses who connects before it listens, and after it was closed', async () => {
    const server = new MemoryServer()
    const [early] = await once(server.connect(), 'error')
    expect(early).toMatchObject({ code: 'ECONNREFUSED' })
    await server.listen()
    await server.close()
    const [late] = await once(server.connect(), 'error')
    expect(late).toMatchObject({ code: 'ECONNREFUSED', message: 'connect ECONNREFUSED' })
  })

  it('tells of connections as every server does', async () => {
    using accepted = overhear<AcceptedEvent>('accepted')
    const { server, client } = await connected()
    expect(accepted.messages).toEqual([{ server, clientAddress: { family: 'unix', path: '' } }])
    expect(server.stats()).toMatchObject({ accepted: 1, open: 1, waiting: 0 })
    client.destroy()
  })

  it('holds its process while it listens, and not where that was said', async () => {
    const entry = JSON.stringify(new URL('../../dist/testing/entry.js', import.meta.url).href)
    const { code, stdout, stderr } = await runChild(`
      import { MemoryServer } from ${entry}
      const free = await new MemoryServer().unref().listen()
      const holding = await new MemoryServer().listen()
      let exits = 0
      process.on('beforeExit', () => console.log('exit', ++exits))
      setImmediate(() => setImmediate(async () => {
        console.log('held')
        await holding.close()
      }))
    `)
    expect([code, stdout, stderr]).toEqual([0, 'held\nexit 1\n', ''])
  })
})

describe('a connection in memory', () => {
  it('reads what came before a reset, and then sees it', async () => {
    const { client, request } = await connected()
    client.write('one\ntwo\n')
    await turns(2)
    client.destroy(new Error('reset'))
    await turns(2)
    expect(String(await request.rfile.readLine())).toBe('one\n')
    expect(String(await request.rfile.readLine())).toBe('two\n')
    await expect(request.rfile.readLine()).rejects.toMatchObject({ cause: 'peer-gone', origin: { code: 'ECONNRESET' } })
  })

  it('ends well where its client goes with nothing unread, and by a reset where there was', async () => {
    const well = await connected()
    well.client.destroy()
    expect(await well.request.rfile.read()).toBe(undefined)
    const { client, request } = await connected()
    await request.wfile.write('unread')
    await request.wfile.flush()
    await turns(2)
    client.destroy()
    await expect(request.rfile.read()).rejects.toMatchObject({ cause: 'peer-gone' })
  })

  it('fails a write to a client that has gone', async () => {
    const { client, request } = await connected()
    client.destroy()
    await turns(2)
    void request.wfile.write('x').catch(() => {})
    await expect(request.wfile.flush()).rejects.toBeInstanceOf(AbortedError)
    expect(request.abortReason).toMatchObject({ origin: { code: 'EPIPE' } })
  })

  it('copies what is written, as a kernel does', async () => {
    const { client, request } = await connected()
    const bytes = Buffer.from('before')
    await new Promise((resolve) => client.write(bytes, resolve))
    bytes.fill('x')
    expect(String(await request.rfile.readExactly(6))).toBe('before')
  })

  it('carries empty writes, and writes of one turn together', async () => {
    const { client, request } = await connected()
    client.write('')
    client.write('a')
    client.end('')
    expect(String(await request.rfile.readAll())).toBe('a')
    const chunks: string[] = []
    client.on('data', (chunk: Buffer) => chunks.push(chunk.toString()))
    for (const letter of 'bcd') void request.wfile.write(letter)
    const ended = once(client, 'end')
    await request.close()
    await ended
    expect(chunks).toEqual(['bcd'])
  })

  it('holds 64 KiB of what nobody reads, and one write', async () => {
    const { client, request } = await connected()
    let left = 0
    for (let i = 0; i < 10; i++) client.write(Buffer.alloc(32 * KiB), () => left++)
    await turns(5)
    expect(left).toBe(1)
    expect(request.bytesIn).toBe(0)
    await request.rfile.readExactly(320 * KiB)
    await turns(2)
    expect(left).toBe(10)
  })

  it('times out a read that waits, and a write that nobody reads', async () => {
    class Impatient extends StreamRequestHandler {
      override timeout = 20
      override async handle(): Promise<void> {
        await this.rfile.readLine()
        for (;;) await this.wfile.write(Buffer.alloc(64 * KiB))
      }
    }
    const server = await memory()
    const silent = server.connect().on('error', () => {})
    const deaf = server.connect().on('error', () => {})
    deaf.write('\n')
    for (let i = 0; i < 2; i++) {
      expect(await server.handleRequest(Impatient)).toMatchObject({ status: 'aborted', reason: { cause: 'timeout' } })
    }
    for (const client of [silent, deaf]) client.destroy()
  })

  it('is detached, a Node stream, and a pair of web streams, as any other', async () => {
    const detached = await connected()
    const socket = detached.request.detach()
    await gone(detached.request)
    detached.client.end('raw')
    expect(await text(socket)).toBe('raw')
    const server = await memory()
    const serving = server.serveForever(
      parallel(async (request: StreamRequest) => {
        if ((await request.rfile.peek(1)).toString() === 'w') {
          const { readable, writable } = request.toWebStreams()
          await readable.pipeTo(writable)
        } else {
          const stream = request.toNodeStream()
          await once(stream.pipe(stream), 'close')
        }
      })
    )
    for (const input of ['web', 'node']) {
      const client = server.connect()
      client.end(input)
      expect(await text(client)).toBe(input)
    }
    await server.close()
    await serving
  })

  it('is cut off at the deadline of its server', async () => {
    const { server, client, request } = await connected()
    const report = await server.close({ deadline: 0 })
    expect(report).toMatchObject({ aborted: 1, stillOpen: [{ request }] })
    await once(client.resume(), 'end')
  })
})

describe('a memory server of datagrams', () => {
  it('gives the reply, or nothing', async () => {
    const server = await new MemoryDatagramServer({ maxPacketSize: 10 }, async ({ rfile, wfile }) => {
      const packet = (await rfile.readAll()).toString()
      if (packet === 'throw') throw new Error('no')
      if (packet !== 'silent') await wfile.write(packet)
    }).listen()
    server.handleError = () => {}
    const serving = server.serveForever()
    expect(String(await server.send('ping'))).toBe('ping')
    expect(await server.send('')).toHaveLength(0)
    expect(await server.send('silent')).toBe(undefined)
    expect(await server.send('throw')).toBe(undefined)
    expect(await server.send('larger than ten')).toBe(undefined)
    expect(server.stats()).toMatchObject({ accepted: 4, dropped: 1, served: 3, failed: 1, bytesIn: 15, bytesOut: 4 })
    await server.close()
    await serving
    await expect(server.send('late')).rejects.toBeInstanceOf(NotListeningError)
  })

  it('drops what nobody takes: past its bound, and at its close', async () => {
    using dropped = overhear<{ reason: string }>('dropped')
    const server = await new MemoryDatagramServer({ maxPending: 1 }).listen()
    const replies = [server.send('one'), server.send('two')]
    expect(await replies[1]).toBe(undefined)
    expect(await server.close()).toMatchObject({ refused: 1 })
    expect(await replies[0]).toBe(undefined)
    expect(dropped.messages.map(({ reason }) => reason)).toEqual(['pending', 'closing'])
  })
})

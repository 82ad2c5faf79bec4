import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  drain,
  parallel,
  type Request,
  type StreamRequest,
  StreamRequestHandler,
  sequential
} from '../../../lib/index.ts'
import { dial, exchange, received } from '../../support/peers.ts'
import { gone, tcp } from '../../support/servers.ts'

const MiB = 1024 * 1024
const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('a connection as a Node stream', () => {
  it('delivers all of a reply though its handler ends while the stream reads ahead', async () => {
    const server = await tcp()
    const outcome = server.handleRequest(async (request: StreamRequest) => {
      const stream = request.toNodeStream()
      stream.resume()
      await new Promise<void>((resolve) => stream.write(Buffer.alloc(MiB, 'r'), () => resolve()))
    })
    const client = await dial(server.address)
    client.write('the client does not end')
    expect((await received(client)).length).toBe(MiB)
    client.end()
    expect(await outcome).toMatchObject({ status: 'fulfilled' })
    expect(server.errors).toEqual([])
  })

  it('lets the memory of a write be used again when it calls back', async () => {
    const server = await tcp()
    const outcome = server.handleRequest(async (request: StreamRequest) => {
      const stream = request.toNodeStream()
      const memory = Buffer.from('AAAA')
      await new Promise<void>((resolve) => stream.write(memory, () => resolve()))
      memory.fill('X')
      await pipeline(Readable.from([]), stream)
    })
    expect(await exchange(server.address, '')).toBe('AAAA')
    expect(await outcome).toMatchObject({ status: 'fulfilled' })
  })
})

describe('a connection', () => {
  it('whose peer has reset before it was accepted has no address, and not that of a Unix socket', async () => {
    const server = await tcp({ backend: 'node' })
    const { host, port } = server.address
    const reset = `
      const client = require('node:net').connect(${port}, '${host}', () => client.resetAndDestroy())
    `
    // This thread is blocked until the client is gone.
    spawnSync('node', ['-e', reset])
    const { value } = await server.requests({ closeOnReturn: false }).next()
    expect((value as StreamRequest).clientAddress).toBe(undefined)
  })

  it('keeps the settings that a second configure() leaves out', async () => {
    class Patient extends StreamRequestHandler {
      override timeout = 30
      override setup(): void {
        this.connection.configure({ readHighWaterMark: 1_000 })
      }

      override async handle(): Promise<void> {
        await this.rfile.read()
      }
    }
    const server = await tcp()
    const outcome = server.handleRequest(Patient)
    const client = await dial(server.address)
    client.on('error', () => {})
    expect(await outcome).toMatchObject({ status: 'aborted', reason: { cause: 'timeout' } })
    client.destroy()
  })

  it('refuses wrong settings by name, and stays readable', async () => {
    const server = await tcp()
    const outcome = server.handleRequest(async (request: StreamRequest) => {
      expect(() => request.configure({ timeout: -5 })).toThrow(/^Option timeout must be from 1 .*: got -5$/)
      expect(() => request.configure({ timeout: 0 })).toThrow(RangeError)
      return (await request.rfile.read())?.toString()
    })
    await exchange(server.address, 'x')
    expect(await outcome).toMatchObject({ status: 'fulfilled', value: 'x' })
  })

  it('times out a read though it is written to meanwhile', async () => {
    class Heart extends StreamRequestHandler {
      override timeout = 60
      override async handle(): Promise<void> {
        const beat = setInterval(() => void this.wfile.write('.'), 10)
        try {
          await this.rfile.read()
        } finally {
          clearInterval(beat)
        }
      }
    }
    const server = await tcp()
    const outcome = server.handleRequest(Heart)
    const client = await dial(server.address)
    client.on('error', () => {}).resume()
    expect(await outcome).toMatchObject({ status: 'aborted', reason: { cause: 'timeout' } })
    client.destroy()
  })

  it('that loses its bytes to a transfer fails alone', async () => {
    const server = await tcp()
    const requests: StreamRequest[] = []
    const loop = server.requests({ closeOnReturn: false })
    const clients = [await dial(server.address), await dial(server.address)]
    for (const _ of clients) requests.push((await loop.next()).value as StreamRequest)
    const [broken, well] = requests as [StreamRequest, StreamRequest]
    const taken = new Uint8Array(10)
    void broken.wfile.write('two chunks, so that they are joined: ')
    void broken.wfile.write(taken)
    structuredClone(taken, { transfer: [taken.buffer] })
    void well.wfile.write('unharmed')
    const other = clients.find(({ localPort }) => localPort === (well.clientAddress as { port: number }).port) as Socket
    const [first] = (await once(other, 'data')) as [Buffer]
    expect(first.toString()).toBe('unharmed')
    void well.wfile.write('again')
    const [second] = (await once(other, 'data')) as [Buffer]
    expect(second.toString()).toBe('again')
    await expect(broken.wfile.flush()).rejects.toThrow('detached')
    for (const client of clients) client.destroy()
    await broken.close().catch(() => {})
  })

  it('does not detach a socket that was aborted', async () => {
    const server = await tcp()
    const client = await dial(server.address)
    client.on('error', () => {})
    const { value } = await server.requests({ closeOnReturn: false }).next()
    const request = value as StreamRequest
    request.abort()
    expect(() => request.detach()).toThrow(/was aborted/)
    client.destroy()
  })

  it('tells an error of whoever wanted to know of its end, and ends all the same', async () => {
    const server = await tcp()
    const client = await dial(server.address)
    const { value } = await server.requests({ closeOnReturn: false }).next()
    const request = value as StreamRequest
    request.whenClosed(() => {
      throw new Error('curious')
    })
    client.end()
    await request.close()
    await gone(request)
    expect(server.errors).toMatchObject([{ message: 'curious' }])
    expect(server.stats().open).toBe(0)
  })
})

describe('a server that closes', () => {
  it('waits for a handler whose peer has gone', async () => {
    const server = await tcp()
    let release: (() => void) | undefined
    let done = false
    const serving = drain(
      parallel(async (request: Request) => {
        await request.rfile.readAll()
        await request.wfile.end('bye')
        await new Promise<void>((resolve) => {
          release = resolve
        })
        done = true
      })(server)
    )
    expect(await exchange(server.address, 'x')).toBe('bye')
    const closing = server.close()
    await turn()
    await turn()
    await turn()
    expect(server.stats().open).toBe(1)
    release?.()
    expect(await closing).toMatchObject({ finished: 1, aborted: 0 })
    expect(done).toBe(true)
    await serving
  })

  it('does not call cut off whom it has served, though his end is open still', async () => {
    const server = await tcp()
    const outcome = server.handleRequest((request: Request) => request.wfile.write('served'))
    const client = await dial(server.address)
    client.on('error', () => {})
    const [reply] = (await once(client, 'data')) as [Buffer]
    expect(reply.toString()).toBe('served')
    expect(await outcome).toMatchObject({ status: 'fulfilled' })
    expect(await server.close({ deadline: 0 })).toEqual({ finished: 1, aborted: 0, refused: 0, stillOpen: [] })
    client.destroy()
  })

  it('may be watched by as many as like, without a warning', async () => {
    const warnings: Error[] = []
    const warn = (warning: Error): void => void warnings.push(warning)
    process.on('warning', warn)
    onTestFinished(() => {
      process.off('warning', warn)
    })
    const server = await tcp()
    for (let i = 0; i < 20; i++) server.stopping.addEventListener('abort', () => {})
    await turn()
    expect(warnings).toEqual([])
  })

  it('ends a loop well that was about to listen', async () => {
    const server = await tcp()
    await server.close()
    const late = new (server.constructor as new () => typeof server)()
    const loops = [drain(late), drain(sequential(() => {})(late)), late.serveForever(sequential(() => {}))]
    await late.close()
    const [first, second, report] = await Promise.all(loops)
    expect([first, second]).toEqual([undefined, undefined])
    expect(report).toMatchObject({ aborted: 0 })
  })
})

import { once } from 'node:events'
import type { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import {
  AbortedError,
  BusyError,
  ClosedError,
  drain,
  LimitExceededError,
  parallel,
  pipe,
  type Request,
  type StreamRequest,
  StreamRequestHandler,
  through
} from '../../lib/index.ts'
import { dial, exchange, received } from '../support/peers.ts'
import { gone, tcp, unix } from '../support/servers.ts'

const MiB = 1024 * 1024

const turn = () => new Promise((resolve) => setImmediate(resolve))

/** Accept one connection: its two ends. */
async function connected(server: Awaited<ReturnType<typeof tcp>>): Promise<{ client: Socket; request: StreamRequest }> {
  const [client, result] = await Promise.all([dial(server.address), server.requests({ closeOnReturn: false }).next()])
  return { client, request: result.value as StreamRequest }
}

for (const [name, open] of Object.entries({ tcp, unix: unix as unknown as typeof tcp })) {
  describe(`a connection (${name})`, () => {
    it('answers after the end of the input', async () => {
      const server = await open()
      const serving = drain(
        parallel(async (request: Request) => {
          const all = await request.rfile.readAll()
          await request.wfile.write(`${all.length} bytes`)
        })(server)
      )
      expect(await exchange(server.address, 'x'.repeat(100_000))).toBe('100000 bytes')
      await server.close()
      await serving
    })

    it('delivers a reply whole though the client still sends, with 1 MiB unread', async () => {
      const server = await open()
      const { client, request } = await connected(server)
      const reply = 'r'.repeat(300_000)
      let sent = false
      client.write(Buffer.alloc(MiB), () => {
        sent = true
      })
      // The client does not read before all has been sent, as many do not.
      client.pause()
      request.wfile.write(reply).catch(() => {})
      const closing = request.close()
      while (!sent) await turn()
      client.end('and more')
      client.resume()
      expect((await received(client)).toString()).toBe(reply)
      await closing
      await gone(request)
      expect(request.abortReason).toBeUndefined()
    })

    it('delivers a reply whole though the client never ends', async () => {
      const server = await open()
      const { client, request } = await connected(server)
      const pump = (): void => {
        if (!client.destroyed) client.write(Buffer.alloc(16_384), pump)
      }
      client.on('error', () => {})
      pump()
      const reply = received(client)
      await request.wfile.write('r'.repeat(300_000))
      await request.close()
      expect((await reply).length).toBe(300_000)
      // The server does not wait for ever: it lets go after the linger, by time or by bytes.
      await gone(request)
      client.destroy()
    })

    it('reads nothing before somebody asks', async () => {
      const server = await open()
      const { client, request } = await connected(server)
      client.write(Buffer.alloc(4 * MiB))
      for (let i = 0; i < 20; i++) await turn()
      expect(request.bytesIn).toBe(0)
      client.destroy()
    })

    it('takes at most 1 MiB of a flood that its handler does not read', async () => {
      const server = await open()
      const { client, request } = await connected(server)
      client.on('error', () => {})
      let blocked = false
      const pump = (): void => {
        while (!blocked && !client.destroyed) blocked = !client.write(Buffer.alloc(65_536))
      }
      client.on('drain', () => {
        blocked = false
        pump()
      })
      pump()
      expect(await request.rfile.read(1)).toHaveLength(1)
      // Nothing moves any more once the client's own queue stands still.
      let before = -1
      for (let still = 0; still < 50; still = client.bytesWritten - client.writableLength === before ? still + 1 : 0) {
        before = client.bytesWritten - client.writableLength
        await turn()
      }
      expect(request.bytesIn).toBeLessThanOrEqual(MiB)
      expect(request.rfile.length).toBeLessThanOrEqual(MiB)
      client.destroy()
    })

    it('makes a writer wait for a peer that does not read', async () => {
      const server = await open()
      const { client, request } = await connected(server)
      client.pause()
      let written = 0
      let parked = false
      const writing = (async () => {
        while (written < 64 * MiB) {
          parked = true
          await request.wfile.write(Buffer.alloc(65_536))
          parked = false
          written += 65_536
        }
      })()
      let before = -1
      for (let still = 0; still < 50; still = written === before ? still + 1 : 0) {
        before = written
        await turn()
      }
      expect(parked).toBe(true)
      // What is ours, apart from the kernel's two socket buffers.
      expect(request.wfile.length).toBeLessThanOrEqual(MiB)
      expect(written).toBeLessThan(64 * MiB)
      client.destroy()
      await expect(writing).rejects.toMatchObject({ code: 'ERR_REQUEST_ABORTED', cause: 'peer-gone' })
    })

    it('cuts off a handler that piles up writes without waiting', async () => {
      const server = await open()
      const { client, request } = await connected(server)
      client.pause()
      client.on('error', () => {})
      const chunk = Buffer.alloc(MiB)
      const errors: unknown[] = []
      for (let i = 0; i < 64 && errors.length === 0; i++) {
        void request.wfile.write(chunk).catch((reason: unknown) => errors.push(reason))
        await turn()
      }
      expect(errors.at(-1)).toBeInstanceOf(LimitExceededError)
      expect(request.abortReason).toMatchObject({ cause: 'server-error', origin: { code: 'ERR_LIMIT_EXCEEDED' } })
      client.destroy()
    })

    it('says that it is busy rather than lose a read', async () => {
      const server = await open()
      const { client, request } = await connected(server)
      const first = request.rfile.readLine()
      await expect(request.rfile.read()).rejects.toBeInstanceOf(BusyError)
      client.write('line\n')
      expect((await first)?.toString()).toBe('line\n')
      client.destroy()
    })

    it('detaches the untouched socket, and no other', async () => {
      const server = await open()
      const { client, request } = await connected(server)
      client.write('hello')
      const socket = request.detach()
      await gone(request)
      expect(server.stats().open).toBe(0)
      await expect(request.rfile.read()).rejects.toBeInstanceOf(ClosedError)
      await expect(request.wfile.write('x')).rejects.toBeInstanceOf(ClosedError)
      await request.close()
      expect(socket.destroyed).toBe(false)
      socket.resume()
      const [chunk] = (await once(socket, 'data')) as [Buffer]
      expect(chunk.toString()).toBe('hello')
      socket.destroy()
      client.destroy()
    })

    it('does not detach a socket that was read', async () => {
      const server = await open()
      const { client, request } = await connected(server)
      client.write('x')
      await request.rfile.read()
      expect(() => request.detach()).toThrow(BusyError)
      await request.close()
      expect(() => request.detach()).toThrow(ClosedError)
      client.destroy()
    })

    it('does not detach a socket that was written', async () => {
      const server = await open()
      const { client, request } = await connected(server)
      void request.wfile.write('x')
      expect(() => request.detach()).toThrow(BusyError)
      client.destroy()
    })

    it('is closed by a pipe when both sides have ended', async () => {
      const server = await open()
      const { client, request } = await connected(server)
      const reply = received(client)
      client.end('abc')
      await pipe(
        request,
        async function* (source: AsyncIterable<{ subarray(): Uint8Array }>) {
          for await (const bytes of source) yield Buffer.from(bytes.subarray()).toString().toUpperCase()
        },
        request
      )
      expect((await reply).toString()).toBe('ABC')
      await gone(request)
    })

    it('is closed by a pipe whose transform leaves early, and by one that never reads', async () => {
      const server = await open()
      for (const transform of [
        async function* (source: AsyncIterable<unknown>) {
          for await (const _ of source) {
            yield 'enough'
            return
          }
        },
        () => ['enough']
      ]) {
        const { client, request } = await connected(server)
        const reply = received(client)
        client.write('abc')
        await pipe(request, transform as () => string[], request)
        expect((await reply).toString()).toBe('enough')
        client.destroy()
        await gone(request)
      }
    })

    it('is closed by a pipe whose transform throws', async () => {
      const server = await open()
      const { client, request } = await connected(server)
      const reply = received(client)
      await expect(
        pipe(
          request,
          // biome-ignore lint/correctness/useYield: it throws before it could
          async function* (): AsyncGenerator<string> {
            throw new Error('transform')
          },
          request
        )
      ).rejects.toThrow('transform')
      expect((await reply).toString()).toBe('')
      client.destroy()
      await gone(request)
    })

    it('is closed by await using', async () => {
      const server = await open()
      const { client, request } = await connected(server)
      const reply = received(client)
      {
        await using used = request
        void used.wfile.write('bye')
      }
      expect((await reply).toString()).toBe('bye')
      client.destroy()
      await gone(request)
    })

    it('aborts once, with a cause', async () => {
      const server = await open()
      const { client, request } = await connected(server)
      client.on('error', () => {})
      const { signal } = request
      const parked = request.rfile.read()
      request.abort(new Error('enough'))
      request.abort(new Error('again'))
      await expect(parked).rejects.toMatchObject({ cause: 'server-error', origin: { message: 'enough' } })
      expect(signal.reason).toBeInstanceOf(AbortedError)
      await expect(request.wfile.write('x')).rejects.toBe(signal.reason)
      await request.close()
      await gone(request)
      client.destroy()
    })

    it('reads what came before a reset, then says that the peer is gone', async () => {
      const server = await open()
      const { client, request } = await connected(server)
      client.write('one\ntwo\nthr')
      expect((await request.rfile.readLine())?.toString()).toBe('one\n')
      while (request.rfile.length < 7) await turn()
      client.destroy()
      void request.wfile.write(Buffer.alloc(MiB))
      while (!request.signal.aborted && request.bytesIn < 11) await turn()
      expect((await request.rfile.readLine())?.toString()).toBe('two\n')
    })

    it('times out a read that waits, and not a handler that works', async () => {
      const server = await open()
      const steps: string[] = []
      class Impatient extends StreamRequestHandler {
        override timeout = 20
        override async handle(): Promise<void> {
          steps.push(String(await this.rfile.readLine()))
          // Longer than the timeout: neither a read nor a write waits.
          await new Promise((resolve) => setTimeout(resolve, 60))
          await this.wfile.write('worked\n')
          await this.rfile.readLine()
        }
      }
      const serving = (async () => {
        for await (const outcome of parallel(Impatient)(server)) return outcome
        return undefined
      })()
      const client = await dial(server.address)
      const reply = received(client).catch(() => Buffer.alloc(0))
      client.write('go\n')
      expect(await serving).toMatchObject({ status: 'aborted', reason: { cause: 'timeout' } })
      expect(steps).toEqual(['go\n'])
      await reply
      client.destroy()
    })

    it('is a Node stream', async () => {
      const server = await open()
      const { client, request } = await connected(server)
      const stream = request.toNodeStream()
      const reply = received(client)
      client.end('to and fro')
      stream.pipe(stream)
      expect((await reply).toString()).toBe('to and fro')
      await gone(request)
    })

    it('is a pair of web streams', async () => {
      const server = await open()
      const { client, request } = await connected(server)
      const { readable, writable } = request.toWebStreams()
      const reply = received(client)
      client.end('to and fro')
      await readable.pipeTo(writable)
      expect((await reply).toString()).toBe('to and fro')
      await request.close()
      await gone(request)
    })

    it('sends the writes of one turn together', async () => {
      const server = await open()
      const { client, request } = await connected(server)
      const chunks: string[] = []
      client.on('data', (chunk: Buffer) => chunks.push(chunk.toString()))
      for (let i = 0; i < 100; i++) void request.wfile.write(`${i} `)
      await request.close()
      await once(client, 'end')
      client.destroy()
      expect(chunks).toEqual([Array.from({ length: 100 }, (_, i) => `${i} `).join('')])
    })

    it('survives lines and characters that are split anywhere', async () => {
      const server = await open()
      const serving = drain(
        parallel(
          through(async function* (source) {
            for await (const bytes of source) yield bytes
          })
        )(server)
      )
      const client = await dial(server.address)
      const reply = received(client)
      for (const byte of Buffer.from('grüße\r\n€\n')) {
        client.write(Buffer.from([byte]))
        await turn()
      }
      client.end()
      expect((await reply).toString()).toBe('grüße\r\n€\n')
      await server.close()
      await serving
    })
  })
}

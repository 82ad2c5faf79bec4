import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  forked,
  type Outcome,
  type Request,
  type Stage,
  TCPServer,
  threads,
  UnixStreamServer
} from '../../../lib/index.ts'
import { MemoryServer } from '../../../lib/testing/entry.ts'
import { handlerModule } from '../../support/handler-module.ts'
import { dial, dialTLS, temporaryPath } from '../../support/peers.ts'
import { quiet } from '../../support/quiet.ts'
import { tls } from '../../support/servers.ts'
import { checkNothingUnhandled } from '../../support/unhandled.ts'

checkNothingUnhandled()

const size = 10 * 2 ** 20
const block = Buffer.alloc(65_536, 'all work and no play ')
const whole = createHash('sha1')
for (let i = 0; i < size / block.length; i++) whole.update(block)
const digest = whole.digest('hex')

// The first line says what it does.
const module = handlerModule(`
  import { createHash } from 'node:crypto'
  const block = Buffer.alloc(65_536, 'all work and no play ')
  export default class extends lib.BaseRequestHandler {
    async handle () {
      const line = await this.rfile.readLine({ chomp: true })
      return this[line.toString()]()
    }
    async upload () {
      const hash = createHash('sha1')
      let bytes = 0
      for await (const batch of this.rfile) for (const part of batch) { hash.update(part); bytes += part.length }
      await this.wfile.end(bytes + ' ' + hash.digest('hex'))
    }
    async download () {
      for (let i = 0; i < 160; i++) await this.wfile.write(block)
    }
    async idle () {
      await this.wfile.write('I am here\\n')
      await new Promise((resolve) => this.request.signal.addEventListener('abort', resolve))
      throw this.request.signal.reason
    }
    async slow () {
      await this.wfile.write('I am here\\n')
      await this.idleUntil(this.request.stopping)
      return this.upload()
    }
    idleUntil (signal) { return new Promise((resolve) => signal.addEventListener('abort', resolve)) }
    async apology () {
      for (let i = 0; i < 32; i++) void this.wfile.write(block)
      throw new Error('sorry')
    }
  }
`)

const inThreads = (): Stage<Request, Outcome<Request>> => threads(module, { size: 1, limit: 4 })
const inChildren = (): Stage<Request, Outcome<Request>> =>
  forked(module, { maxChildren: 1, maxRequestsPerChildInFlight: 4 })

type Anyone = {
  stats(): ReturnType<TCPServer['stats']>
  close: TCPServer['close']
  readonly errors: readonly unknown[]
} & AsyncIterable<Request>

interface Way {
  readonly server: Anyone
  readonly client: () => Promise<Duplex>
  readonly reset: (client: Duplex) => void
}

/** What Node has begun to read can't be passed: its bytes are brought. */
const looksAt = async ({ rfile }: Request): Promise<boolean> => (await rfile.peek(1)).length > 0

const tcpWay = async (backend: 'native' | 'node', isRead = false): Promise<Way> => {
  const server = await quiet(new TCPServer({ backend })).listen()
  if (isRead) server.verifyRequest = looksAt
  return {
    server,
    client: () => dial(server.address),
    reset: (client) => void (client as Socket).resetAndDestroy()
  }
}

const ways: Record<string, [mode: () => Stage<Request, Outcome<Request>>, way: () => Promise<Way>]> = {
  "threads, Node's sockets": [inThreads, () => tcpWay('node')],
  "threads, Node's sockets, read before": [inThreads, () => tcpWay('node', true)],
  'threads, descriptors': [inThreads, () => tcpWay('native')],
  'children, sockets': [inChildren, () => tcpWay('native')],
  'children, TLS': [
    inChildren,
    async () => {
      const server = await tls()
      return {
        server,
        async client() {
          const socket = await dial(server.address)
          return Object.assign(await dialTLS(server.address, { socket }), { plain: socket })
        },
        reset: (client) => void (client as Duplex & { plain: Socket }).plain.resetAndDestroy()
      }
    }
  ],
  'threads, Unix sockets of Node, read before': [
    inThreads,
    async () => {
      const server = await quiet(new UnixStreamServer({ path: temporaryPath(), backend: 'node' })).listen()
      server.verifyRequest = looksAt
      return { server, client: () => dial(server.address), reset: (client) => void client.destroy() }
    }
  ],
  'children, connections in memory': [
    inChildren,
    async () => {
      const server = await quiet(new MemoryServer()).listen()
      return {
        server,
        client: async () => server.connect(),
        reset: (client) => void client.destroy(new Error('reset'))
      }
    }
  ]
}

// There the system itself holds little: what has left is what has been taken.
const small = /Unix|memory/

async function upload(client: Duplex): Promise<string> {
  client.write('upload\n')
  for (let i = 0; i < size / block.length; i++) if (!client.write(block)) await once(client, 'drain')
  client.end()
  let reply = ''
  for await (const bytes of client) reply += String(bytes)
  return reply
}

for (const [name, [mode, made]] of Object.entries(ways)) {
  describe(`a connection in a worker: ${name}`, () => {
    async function started() {
      const way = await made()
      onTestFinished(async () => {
        await way.server.close({ deadline: 0 })
      })
      const outcomes = (mode()(way.server) as AsyncIterable<Outcome<Request>>)[Symbol.asyncIterator]()
      onTestFinished(async () => {
        await outcomes.return?.()
      })
      const next = outcomes.next()
      const client = await way.client()
      client.on('error', () => {})
      onTestFinished(() => void client.destroy())
      /** Meanwhile the same worker serves another: whatever could move has moved then. */
      const another = async (): Promise<string> => {
        const reply = await upload(await way.client())
        void outcomes.next()
        return reply
      }
      return { ...way, next, client, another }
    }

    it('carries 10 MiB in', async () => {
      const { client, next } = await started()
      expect(await upload(client)).toBe(`${size} ${digest}`)
      expect((await next).value).toMatchObject({ status: 'fulfilled', request: { bytesIn: size + 7 } })
    })

    it('carries 10 MiB out, to a peer that stops reading for a while', async () => {
      const { another, client, next, server } = await started()
      client.write('download\n')
      const hash = createHash('sha1')
      let bytes = 0
      await once(client, 'readable')
      const reply = await another()
      const sent = server.stats().bytesOut - reply.length
      if (small.test(name)) {
        expect(sent).toBeGreaterThan(0)
        expect(sent).toBeLessThan(2 ** 20)
      }
      for await (const chunk of client) {
        hash.update(chunk as Buffer)
        bytes += (chunk as Buffer).length
      }
      // A loop destroys what has not ended: that is a reset in memory, and too late to matter.
      expect([bytes, hash.digest('hex')]).toEqual([size, digest])
      expect((await next).value).toMatchObject({ status: 'fulfilled' })
      expect(server.stats().bytesOut).toBe(size + reply.length)
    })

    it('takes no more in than a window of what its handler does not read', async () => {
      const { another, client, next, server } = await started()
      client.write('slow\n')
      await once(client, 'data')
      client.pause()
      const writing = (async () => {
        for (let i = 0; i < size / block.length; i++) if (!client.write(block)) await once(client, 'drain')
        client.end()
      })()
      await another()
      const taken = server.stats().bytesIn - size - 'upload\n'.length
      if (small.test(name)) {
        expect(taken).toBeGreaterThan(0)
        expect(taken).toBeLessThan(2 ** 20)
      }
      const closing = server.close()
      await writing
      let reply = ''
      for await (const bytes of client) reply += String(bytes)
      expect(reply).toBe(`${size} ${digest}`)
      expect((await next).value).toMatchObject({ status: 'fulfilled' })
      await closing
    })

    it('hears of a peer that resets in the middle', async () => {
      const { client, next, reset, server } = await started()
      client.write('idle\n')
      await once(client, 'data')
      client.write(block)
      reset(client)
      // Whoever brings its bytes reads, and hears of that. Where a worker has the socket it may not before it reads or writes
      // again, as a handler that has one here; Unix sockets know no resets.
      const mayNotHear = /descriptors|sockets$|Unix/.test(name)
      if (mayNotHear) void server.close({ deadline: 1 })
      const { value } = (await next) as { value: Outcome<Request> }
      expect(value).toMatchObject({ status: 'aborted', reason: { name: 'AbortedError' } })
      const { cause } = (value as { readonly reason: Error }).reason
      expect(mayNotHear ? ['deadline', 'peer-gone'] : ['peer-gone']).toContain(cause)
    })

    it('is aborted where its peer resets while it is sent to', async () => {
      const { client, next, reset } = await started()
      client.write('download\n')
      await once(client, 'readable')
      reset(client)
      expect((await next).value).toMatchObject({
        status: 'aborted',
        reason: { name: 'AbortedError', cause: 'peer-gone' }
      })
    })

    it('is sent all that was written before its handler failed', async () => {
      const { client, next } = await started()
      client.end('apology\n')
      let bytes = 0
      for await (const chunk of client) bytes += (chunk as Buffer).length
      expect(bytes).toBe(32 * block.length)
      expect((await next).value).toMatchObject({ status: 'rejected', reason: { message: 'sorry' } })
    })
  })
}

import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import {
  forked,
  forkPool,
  type Outcome,
  type Pool,
  parallel,
  type StreamRequest,
  threadPool,
  threads
} from '../../../lib/index.ts'
import { keystream } from '../../property/keystream.ts'
import { dial, exchange, received } from '../../support/peers.ts'
import { QuietTCPServer } from '../../support/quiet.ts'
import { checkNothingUnhandled } from '../../support/unhandled.ts'

checkNothingUnhandled()

const handler = new URL('passing.mjs', import.meta.url)
const size = 10 * 1024 * 1024
const backends = ['native', 'node'] as const

const modes = {
  'a child': () => forked<StreamRequest>(handler, { maxChildren: 1 }),
  'a child of its own': () => forked<StreamRequest>(handler, { maxChildren: 2, requestsPerChild: 1 }),
  'a thread': () => threads<StreamRequest>(handler, { size: 1 })
}
const pools = { 'a child': () => forkPool(handler, { maxChildren: 1 }), 'a thread': () => threadPool(handler) }

type Served = Outcome<StreamRequest>

function hashOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** All that a client gets which reads now and then only. */
async function receivedSlowly(socket: Socket): Promise<number> {
  let length = 0
  for await (const chunk of socket) {
    length += (chunk as Buffer).length
    await new Promise((resolve) => setImmediate(resolve))
  }
  return length
}

async function served(serving: AsyncIterable<Served>): Promise<Served[]> {
  const outcomes: Served[] = []
  for await (const outcome of serving) outcomes.push(outcome)
  return outcomes
}

describe.for(backends)('a connection (%s)', (backend) => {
  describe.for(Object.keys(modes) as (keyof typeof modes)[])('that is passed to %s', (which) => {
    it('brings along what had come before, and its end', async () => {
      const server = await new QuietTCPServer({ host: '127.0.0.1', port: 0, backend }).listen()
      // All is there before anybody asks for a connection.
      const socket = await dial(server.address)
      await new Promise((resolve) => socket.end('echo\nearly bytes', () => resolve(undefined)))
      const serving = served(modes[which]()(server))
      expect(String(await received(socket))).toBe('early bytes')
      await server.close()
      expect((await serving).map(({ status }) => status)).toEqual(['fulfilled'])
    })

    it('takes an upload of 10 MiB, and answers when the client has ended', async () => {
      const server = await new QuietTCPServer({ host: '127.0.0.1', port: 0, backend }).listen()
      const serving = served(modes[which]()(server))
      const bytes = keystream(7, size)
      const socket = await dial(server.address)
      socket.write('upload\n')
      socket.end(bytes)
      expect(String(await received(socket))).toBe(`${size} ${hashOf(bytes)}`)
      await server.close()
      const [outcome] = await serving
      expect(outcome).toMatchObject({ status: 'fulfilled', value: size })
      expect(outcome?.request.bytesIn).toBe(size + 'upload\n'.length)
    })

    it('gives a download of 10 MiB to a client that is slow, and has ended', async () => {
      const server = await new QuietTCPServer({ host: '127.0.0.1', port: 0, backend }).listen()
      const serving = served(modes[which]()(server))
      const socket = await dial(server.address)
      socket.end('download\n')
      expect(await receivedSlowly(socket)).toBe(size)
      await server.close()
      const [outcome] = await serving
      expect(outcome).toMatchObject({ status: 'fulfilled', value: size })
      expect(outcome?.request.bytesOut).toBe(size)
    })

    it('gives a download of 10 MiB to a client that has not', async () => {
      const server = await new QuietTCPServer({ host: '127.0.0.1', port: 0, backend }).listen()
      const serving = served(modes[which]()(server))
      const socket = await dial(server.address)
      socket.write('download\n')
      expect(await receivedSlowly(socket)).toBe(size)
      socket.end()
      await server.close()
      expect((await serving).map(({ status }) => status)).toEqual(['fulfilled'])
    })
  })

  describe.for(Object.keys(pools) as (keyof typeof pools)[])('that is passed to %s in its middle', (which) => {
    async function ask(input: (socket: Socket) => void, read = 1): Promise<string> {
      await using pool: Pool = pools[which]()
      const server = await new QuietTCPServer({ host: '127.0.0.1', port: 0, backend }).listen()
      const serving = served(
        parallel(async (request: StreamRequest) => {
          await request.wfile.write('hello\n')
          for (let i = 0; i < read; i++) await request.rfile.readLine()
          return pool.run(request)
        })(server)
      )
      const socket = await dial(server.address)
      input(socket)
      const answer = String(await received(socket))
      await server.close()
      expect((await serving).map(({ status }) => status)).toEqual(['fulfilled'])
      return answer
    }

    it('brings along what was read and not used', async () => {
      expect(await ask((socket) => socket.end('one\ntwo\necho\nand the rest'), 2)).toBe('hello\nand the rest')
    })

    it('takes an upload of 10 MiB', async () => {
      const bytes = keystream(8, size)
      const answer = await ask((socket) => {
        socket.write('one\nupload\n')
        socket.end(bytes)
      })
      expect(answer).toBe(`hello\n${size} ${hashOf(bytes)}`)
    })

    it('gives a download of 10 MiB', async () => {
      expect(await ask((socket) => socket.end('one\ndownload\n'))).toHaveLength('hello\n'.length + size)
    })
  })
})

it('answers many connections side by side, each with its own', async () => {
  const server = await new QuietTCPServer({ host: '127.0.0.1', port: 0 }).listen()
  const serving = served(forked<StreamRequest>(handler, { maxChildren: 2, maxRequestsPerChildInFlight: 20 })(server))
  const words = Array.from({ length: 60 }, (_, i) => `word ${i}`)
  expect(await Promise.all(words.map((word) => exchange(server.address, `echo\n${word}`)))).toEqual(words)
  await server.close()
  expect(await serving).toHaveLength(60)
})

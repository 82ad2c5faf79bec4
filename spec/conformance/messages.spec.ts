import { spawnSync } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  ClosedError,
  DatagramRequestHandler,
  type DroppedEvent,
  drain,
  type MessageRequest,
  type Outcome,
  parallel,
  pipe,
  type Request,
  StreamRequestHandler,
  sequential
} from '../../lib/index.ts'
import { overhear } from '../support/events.ts'
import { exchange, exchangeDatagram } from '../support/peers.ts'
import { tcp, udp } from '../support/servers.ts'

function client(): Socket {
  const socket = createSocket('udp4')
  onTestFinished(() => {
    socket.close()
  })
  return socket
}

/** Serve one datagram and then a marker: what the client got before the marker is all that was sent. */
async function replies(handler: (request: Request) => unknown, packet: string): Promise<string[]> {
  const server = await udp()
  const serving = drain(
    sequential((request: MessageRequest) =>
      request.packet.toString() === 'marker' ? pipe(request, request) : handler(request)
    )(server)
  )
  const socket = client()
  const got: string[] = []
  const marked = new Promise<void>((resolve) => {
    socket.on('message', (message) => {
      if (message.toString() === 'marker') resolve()
      else got.push(message.toString())
    })
  })
  socket.send(packet, server.address.port, '127.0.0.1', () => socket.send('marker', server.address.port, '127.0.0.1'))
  await marked
  await server.close()
  await serving
  return got
}

describe('a datagram', () => {
  it('is answered by what was written, as one datagram', async () => {
    const got = await replies(async (request) => {
      await request.wfile.write('several ')
      await request.wfile.write('writes')
    }, 'x')
    expect(got).toEqual(['several writes'])
  })

  it('is not answered where nothing was written', async () => {
    expect(await replies(() => undefined, 'x')).toEqual([])
  })

  it('is answered by an empty one where an empty write says so', async () => {
    expect(await replies((request) => request.wfile.write(''), 'x')).toEqual([''])
  })

  it('is not answered where the handler writes and then throws', async () => {
    const got = await replies(async (request) => {
      await request.wfile.write('half an ans')
      throw new Error('wer')
    }, 'x')
    expect(got).toEqual([])
  })

  it('is not answered where a transform writes and then throws', async () => {
    const got = await replies(
      (request) =>
        pipe(
          request,
          async function* (): AsyncGenerator<string> {
            yield 'half'
            throw new Error('way')
          },
          request
        ),
      'x'
    )
    expect(got).toEqual([])
  })

  it('refuses a write after its end', async () => {
    let error: unknown
    const got = await replies(async (request) => {
      await request.wfile.write('all')
      await request.wfile.end()
      error = await request.wfile.write('more').catch((reason: unknown) => reason)
    }, 'x')
    expect(got).toEqual(['all'])
    expect(error).toBeInstanceOf(ClosedError)
  })

  it('is answered by the close in a bare loop, and by the end of a pipe', async () => {
    const server = await udp()
    const answers = [exchangeDatagram(server.address, 'one'), exchangeDatagram(server.address, 'two')]
    let served = 0
    for await (const request of server) {
      if (served++ === 0) {
        await request.wfile.write(request.packet)
        await request.close()
      } else {
        await pipe(request, request)
        break
      }
    }
    expect((await Promise.all(answers)).sort()).toEqual(['one', 'two'])
  })

  it('is still answered when the server closes meanwhile', async () => {
    const server = await udp()
    const answer = exchangeDatagram(server.address, 'late')
    let closing: Promise<unknown> | undefined
    for await (const request of server) {
      closing = server.close()
      await request.wfile.write(request.packet)
      await request.close()
    }
    expect(await answer).toBe('late')
    expect(await closing).toMatchObject({ finished: 1, aborted: 0 })
  })

  it('is an outcome where the reply is too large to be sent', async () => {
    const server = await udp()
    const outcome = server.handleRequest((request: Request) => request.wfile.write(Buffer.alloc(70_000)))
    const socket = client()
    socket.send('x', server.address.port, '127.0.0.1')
    expect(await outcome).toMatchObject({ status: 'rejected', reason: { code: 'EMSGSIZE' } })
    expect(server.errors).toMatchObject([{ code: 'EMSGSIZE' }])
  })

  it('is dropped and published where it is larger than maxPacketSize', async () => {
    const server = await udp({ maxPacketSize: 10 })
    using dropped = overhear<DroppedEvent>('dropped')
    const serving = drain(sequential((request: Request) => pipe(request, request))(server))
    const socket = client()
    socket.send('01234567890', server.address.port, '127.0.0.1', () => socket.send('0123456789', server.address.port))
    const [message] = (await once(socket, 'message')) as [Buffer]
    expect(message.toString()).toBe('0123456789')
    expect(dropped.messages).toMatchObject([
      { reason: 'size', bytes: 11, clientAddress: { port: socket.address().port } }
    ])
    expect(server.stats()).toMatchObject({ dropped: 1, accepted: 1 })
    await server.close()
    await serving
  })

  it('is dropped and published where maxPending wait already', async () => {
    const server = await udp({ maxPending: 2, backend: 'node' })
    using dropped = overhear<DroppedEvent>('dropped')
    const socket = client()
    for (let i = 0; i < 5; i++) socket.send(`${i}`, server.address.port, '127.0.0.1')
    while (server.stats().accepted + server.stats().dropped < 5) await new Promise((resolve) => setImmediate(resolve))
    expect(server.stats()).toMatchObject({ accepted: 2, dropped: 3, waiting: 2 })
    expect(dropped.messages.map(({ reason }) => reason)).toEqual(['pending', 'pending', 'pending'])
  })

  it('gives its handler the packet', async () => {
    class Reverse extends DatagramRequestHandler {
      override async handle(): Promise<void> {
        await this.wfile.write(Buffer.from(this.packet).reverse())
      }
    }
    const server = await udp()
    const serving = drain(parallel(Reverse)(server))
    expect(await exchangeDatagram(server.address, 'abc')).toBe('cba')
    await server.close()
    await serving
  })
})

describe('datagrams in the kernel', () => {
  it('are served before the server has closed', async () => {
    const server = await udp()
    const { port } = server.address
    const serving = drain(sequential((request: Request) => pipe(request, request))(server))
    const send = `
      const socket = require('node:dgram').createSocket('udp4')
      let sent = 0
      for (let i = 0; i < 20; i++) socket.send('x', ${port}, '127.0.0.1', () => ++sent === 20 && socket.close())
    `
    // This thread is blocked meanwhile.
    spawnSync('node', ['-e', send])
    await server.close()
    await serving
    expect(server.stats()).toMatchObject({ accepted: 20, served: 20, dropped: 0 })
  })
})

describe('one handler', () => {
  class Upper extends StreamRequestHandler {
    override async handle(): Promise<void> {
      const line = await this.rfile.readLine()
      await this.wfile.write(`${line}`.toUpperCase())
    }
  }

  it('serves a line over TCP and a datagram over UDP unchanged', async () => {
    const [stream, datagram] = [await tcp(), await udp()]
    const serving = [drain(parallel(Upper)(stream)), drain(parallel(Upper)(datagram))]
    expect(await exchange(stream.address, 'shout\n')).toBe('SHOUT\n')
    expect(await exchangeDatagram(datagram.address, 'shout\n')).toBe('SHOUT\n')
    await Promise.all([stream.close(), datagram.close()])
    await Promise.all(serving)
  })

  it('says what it has not: a connection, a packet', async () => {
    class Confused extends StreamRequestHandler {
      override handle(): unknown {
        return this.connection
      }
    }
    class Mistaken extends DatagramRequestHandler {
      override handle(): unknown {
        return this.packet
      }
    }
    const [stream, datagram] = [await tcp(), await udp()]
    const outcomes: Promise<Outcome<Request> | undefined>[] = [
      datagram.handleRequest(Confused),
      stream.handleRequest(Mistaken)
    ]
    client().send('x', datagram.address.port, '127.0.0.1')
    await exchange(stream.address, 'x')
    for (const outcome of outcomes)
      expect(await outcome).toMatchObject({ status: 'rejected', reason: { name: 'TypeError' } })
  })
})

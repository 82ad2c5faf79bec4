import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { type DroppedEvent, parallel, type RefusedEvent, type StreamRequest, sequential } from '../../lib/index.ts'
import { deferred } from '../../lib/iterator/deferred.ts'
import { zeroStats } from '../../lib/stats.ts'
import { overhear } from '../support/events.ts'
import { dial, exchange, exchangeDatagram } from '../support/peers.ts'
import { QuietTCPServer, QuietUDPServer } from '../support/quiet.ts'
import { gone } from '../support/servers.ts'

const zero = { ...zeroStats(), open: 0, waiting: 0 }

describe('stats', () => {
  it('begin at zero, and each is a copy', async () => {
    const server = await new QuietTCPServer().listen()
    const before = server.stats()
    expect(before).toEqual(zero)
    const handling = server.handleRequest(({ wfile }) => wfile.write('reply'))
    expect(await exchange(server.address, 'hello')).toBe('reply')
    await handling
    expect(before).toEqual(zero)
    expect(server.stats()).toMatchObject({ accepted: 1, served: 1, bytesOut: 'reply'.length })
    await server.close()
  })

  it('add up for connections: each that was accepted was served, has failed or was refused', async () => {
    using ended = overhear('end')
    let verified = 0
    class Picky extends QuietTCPServer {
      override verifyRequest(): boolean {
        verified++
        return verified % 4 !== 0
      }
    }
    const requests: StreamRequest[] = []
    const server = await new Picky().listen()
    const serving = server.serveForever(
      parallel(async (request) => {
        requests.push(request)
        const line = String(await request.rfile.readLine({ chomp: true }))
        await request.rfile.readAll()
        await request.wfile.write(`got ${line}`)
        if (line === 'bad') throw new Error('bad')
      })
    )
    const lines = ['good', 'bad', 'good', 'refused', 'bad', 'good', 'good', 'refused']
    const replies: string[] = []
    for (const line of lines) replies.push(await exchange(server.address, `${line}\n`))
    expect(replies).toEqual(lines.map((line) => (line === 'refused' ? '' : `got ${line}`)))
    await ended.count(6)
    await Promise.all(requests.map(gone))
    await server.close()
    await serving
    const read = lines.filter((line) => line !== 'refused')
    expect(server.stats()).toMatchObject({
      accepted: 8,
      refused: 2,
      dropped: 0,
      served: 4,
      failed: 2,
      bytesOut: read.join('got ').length + 'got '.length,
      open: 0,
      waiting: 0
    })
    // What a refused client sent may be read, to be dropped, or not.
    expect(server.stats().bytesIn).toBeGreaterThanOrEqual(`${read.join('\n')}\n`.length)
    expect(server.stats().bytesIn).toBeLessThanOrEqual(`${lines.join('\n')}\n`.length)
  })

  it('are the sums of what the requests say', async () => {
    const requests: StreamRequest[] = []
    const server = await new QuietTCPServer().listen()
    const serving = server.serveForever(
      parallel(async (request) => {
        requests.push(request)
        await request.wfile.write(await request.rfile.readAll())
        await request.wfile.write('!')
      })
    )
    const texts = ['', 'a', 'bc'.repeat(50_000)]
    expect(await Promise.all(texts.map((text) => exchange(server.address, text)))).toEqual(
      texts.map((text) => `${text}!`)
    )
    await server.close()
    await serving
    const sum = (numbers: number[]): number => numbers.reduce((a, b) => a + b, 0)
    const { bytesIn, bytesOut } = server.stats()
    expect(bytesIn).toBe(100_001)
    expect(bytesIn).toBe(sum(requests.map((request) => request.bytesIn)))
    expect(bytesOut).toBe(100_004)
    expect(bytesOut).toBe(sum(requests.map((request) => request.bytesOut)))
  })

  it('tell who is inside and who waits', async () => {
    using arrived = overhear('accepted')
    const begun = deferred<void>()
    const gate = deferred<void>()
    const server = await new QuietTCPServer({ backend: 'node' }).listen()
    const clients = await Promise.all([1, 2, 3].map(() => dial(server.address)))
    await arrived.count(3)
    expect(server.stats()).toMatchObject({ accepted: 3, open: 0, waiting: 3 })
    const serving = server.serveForever(
      sequential(async () => {
        begun.resolve()
        await gate.promise
      })
    )
    await begun.promise
    expect(server.stats()).toMatchObject({ accepted: 3, open: 1, waiting: 2 })
    gate.resolve()
    for (const client of clients) client.resume().end()
    await server.close()
    await serving
    expect(server.stats()).toMatchObject({ accepted: 3, served: 3, open: 0, waiting: 0 })
  })

  it('count those for whom there was no room: connections', async () => {
    using refused = overhear<RefusedEvent>('refused')
    using arrived = overhear('accepted')
    const server = await new QuietTCPServer({ backend: 'node', maxPending: 2 }).listen()
    const clients = []
    for (let i = 0; i < 2; i++) clients.push(await dial(server.address))
    await arrived.count(2)
    const surplus = await dial(server.address)
    const { localPort: port } = surplus
    surplus.on('error', () => {}).resume()
    await once(surplus.end(), 'close')
    expect(refused.messages).toEqual([
      { server, clientAddress: { family: 'IPv4', host: '127.0.0.1', port }, reason: 'pending' }
    ])
    expect(server.stats()).toMatchObject({ accepted: 2, refused: 1, refusedBy: { pending: 1 }, open: 0, waiting: 2 })
    for (const client of clients) client.on('error', () => {}).destroy()
    await server.close()
  })

  it('count those for whom there was no room, and those that were too large: datagrams', async () => {
    using dropped = overhear<DroppedEvent>('dropped')
    const server = await new QuietUDPServer({ maxPending: 1, maxPacketSize: 5, backend: 'node' }).listen()
    const client = createSocket('udp4')
    client.connect(server.address.port, server.address.host)
    await once(client, 'connect')
    const { port } = client.address()
    for (const packet of ['first', 'second', 'third']) {
      await new Promise<void>((resolve) => client.send(packet, () => resolve()))
    }
    await dropped.count(2)
    const clientAddress = { family: 'IPv4', host: '127.0.0.1', port }
    expect(dropped.messages).toEqual([
      { server, clientAddress, bytes: 6, reason: 'size' },
      { server, clientAddress, bytes: 5, reason: 'pending' }
    ])
    expect(server.stats()).toEqual({
      ...zero,
      accepted: 1,
      dropped: 2,
      droppedBy: { ...zero.droppedBy, size: 1, pending: 1 },
      bytesIn: 5,
      waiting: 1
    })
    expect(await server.close()).toEqual({ finished: 0, aborted: 0, refused: 1, stillOpen: [] })
    client.close()
  })

  it('add up for datagrams', async () => {
    const server = await new QuietUDPServer().listen()
    const serving = server.serveForever(
      parallel(async ({ rfile, wfile }) => {
        const text = String(await rfile.readAll())
        await wfile.write(`got ${text}`)
        if (text === 'bad') throw new Error('bad')
      })
    )
    using ended = overhear('end')
    for (const text of ['good', 'fine']) expect(await exchangeDatagram(server.address, text)).toBe(`got ${text}`)
    const client = createSocket('udp4')
    client.send('bad', server.address.port, server.address.host)
    await ended.count(3)
    client.close()
    await server.close()
    await serving
    // The half of a reply that was not sent is not counted.
    expect(server.stats()).toEqual({ ...zero, accepted: 3, served: 2, failed: 1, bytesIn: 11, bytesOut: 16 })
  })

  it('count a request that was cut off as failed, though its handler ended well', async () => {
    const begun = deferred<void>()
    const gate = deferred<string>()
    const server = await new QuietTCPServer().listen()
    const handling = server.handleRequest(() => {
      begun.resolve()
      return gate.promise
    })
    const client = await dial(server.address)
    client.on('error', () => {}).resume()
    await begun.promise
    expect(await server.close({ deadline: 0 })).toMatchObject({ finished: 0, aborted: 1 })
    gate.resolve('well')
    expect(await handling).toMatchObject({ status: 'aborted', reason: { cause: 'deadline' } })
    expect(server.stats()).toMatchObject({ accepted: 1, served: 0, failed: 1 })
    client.destroy()
  })
})

import { describe, expect, it, onTestFinished } from 'vitest'
import { libcMissing } from '../../../lib/accept/native/libc.ts'
import { parallel, type StreamRequest, TCPServer, UDPServer } from '../../../lib/index.ts'
import { visit } from '../../support/bounded-servers.ts'
import { udpClient } from '../../support/datagram-clients.ts'
import { quiet } from '../../support/quiet.ts'
import { turns, until } from '../../support/turns.ts'
import { checkNothingUnhandled } from '../../support/unhandled.ts'

checkNothingUnhandled()

describe.skipIf(libcMissing() !== undefined)('by system calls', () => {
  it('past the backlog a connect waits, and is tried again', async () => {
    const server = quiet(new TCPServer({ backend: 'native', backlog: 1 }))
    onTestFinished(async () => void (await server.close({ deadline: 0 })))
    await server.listen()
    const visitors = Array.from({ length: 6 }, () => visit(server))
    const connecting = (): number =>
      visitors.filter(({ socket }) => (socket as unknown as { connecting: boolean }).connecting).length
    // The kernel holds one more than it was told.
    await until(() => connecting() === 4)
    await turns(50)
    expect([connecting(), server.stats().accepted]).toEqual([4, 0])
    void server.serveForever(
      parallel(async (request: StreamRequest) => {
        await request.wfile.write('hello')
      })
    )
    // Those whom the kernel told that they are in, at once; of the others the next one when its client tries again.
    await until(() => visitors.filter(({ text }) => text === 'hello').length > 2)
  })

  it('no more than 64 datagrams are taken ahead of those who ask, and count as waiting', async () => {
    const server = quiet(new UDPServer({ backend: 'native', receiveBufferSize: 1_000_000 }))
    onTestFinished(async () => void (await server.close({ deadline: 0 })))
    await server.listen()
    const client = await udpClient(server.address)
    onTestFinished(() => void client.close())
    const sent = 200
    for (let i = 0; i < sent; i++) await client.send(Buffer.from(String(i)))
    const requests = server.requests({ closeOnReturn: false })
    const got: string[] = []
    const take = async (): Promise<void> => {
      const { value: request } = await requests.next()
      got.push(String(request?.packet))
      await request?.close()
    }
    let most = 0
    for (let taken = 1; taken <= sent; taken++) {
      await take()
      const { accepted, waiting } = server.stats()
      expect(waiting).toBe(accepted - taken)
      most = Math.max(most, waiting)
    }
    expect(most).toBeGreaterThan(0)
    expect(most).toBeLessThanOrEqual(64)
    expect(got).toEqual(Array.from({ length: sent }, (_, i) => String(i)))
  })

  it('no more than 128 KiB of one connection are read in one turn', async () => {
    const server = quiet(new TCPServer({ backend: 'native' }))
    onTestFinished(async () => void (await server.close({ deadline: 0 })))
    await server.listen()
    const flood = visit(server)
    const total = 2 ** 22
    flood.socket.end(Buffer.alloc(total))
    const { value: request } = (await server.requests({ closeOnReturn: false }).next()) as { value: StreamRequest }
    // So that much of it is there before the first read.
    await turns(50)
    let read = 0
    const reading = (async () => {
      for await (const bytes of request.source) read += bytes.length
    })()
    // 64 KiB when it hears of them, and once more before the turn is over.
    let most = 0
    let counted = 0
    while (read < total) {
      await turns()
      most = Math.max(most, server.stats().bytesIn - counted)
      counted = server.stats().bytesIn
    }
    await reading
    expect(most).toBeGreaterThan(0)
    expect(most).toBeLessThanOrEqual(131_072)
  })
})

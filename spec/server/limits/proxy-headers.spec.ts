import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import {
  type ProxyEvent,
  type ProxyProtocolOptions,
  parallel,
  type RefusedEvent,
  TCPServer
} from '../../../lib/index.ts'
import { overhear } from '../../support/events.ts'
import { dial, exchange } from '../../support/peers.ts'
import { closed } from '../../support/proxy-clients.ts'
import { binary, line, tlv } from '../../support/proxy-headers.ts'
import { checkNothingUnhandled } from '../../support/unhandled.ts'

checkNothingUnhandled()

const backends = ['native', 'node'] as const

describe.for(backends)('a PROXY header (%s)', (backend) => {
  async function serving(bounds: Partial<ProxyProtocolOptions>, limits: object = {}) {
    const proxyProtocol = { trust: ['127.0.0.1'], ...bounds }
    const server = await new TCPServer({ backend, proxyProtocol, ...limits }).listen()
    const ended = server.serveForever(
      parallel(async ({ rfile, wfile }) => {
        for await (const bytes of rfile.lines()) await wfile.write(bytes)
      })
    )
    return { server, ended }
  }

  it('that takes longer than its time is refused, and what comes meanwhile puts it off for nobody', async () => {
    using proxied = overhear<ProxyEvent>('proxy')
    const { server, ended } = await serving({ timeout: 30 })
    const client = await dial(server.address)
    client.write(line.slice(0, 10))
    await closed(client)
    expect(proxied.messages).toMatchObject([{ server, error: { reason: 'timeout' } }])
    expect(server.stats().refusedBy.proxy).toBe(1)
    expect(await exchange(server.address, `${line}next\n`)).toBe('next\n')
    await server.close()
    await ended
  })

  it('that is longer than it may be is refused as soon as that is known', async () => {
    using proxied = overhear<ProxyEvent>('proxy')
    const { server, ended } = await serving({ maxHeaderLength: 300, timeout: Number.POSITIVE_INFINITY })
    const client = await dial(server.address)
    client.write(binary({ tlvs: [tlv(0xe0, Buffer.alloc(300))] }).subarray(0, 16))
    await closed(client)
    expect(proxied.messages).toMatchObject([{ server, error: { reason: 'malformed' } }])
    expect(server.stats().refusedBy.proxy).toBe(1)
    await server.close()
    await ended
  })

  it('says whose connections are counted by address: the client, and not the proxy', async () => {
    using refused = overhear<RefusedEvent>('refused')
    const { server, ended } = await serving({}, { maxConnectionsPerAddress: 1 })
    const from = (last: number): string => `PROXY TCP4 192.0.2.${last} 198.51.100.1 4711 443\r\n`
    const first = await dial(server.address)
    first.write(`${from(1)}here\n`)
    expect(String((await once(first, 'data'))[0])).toBe('here\n')
    expect(await exchange(server.address, `${from(2)}other\n`)).toBe('other\n')
    expect(await exchange(server.address, `${from(1)}again\n`).catch(() => '')).toBe('')
    expect(refused.messages).toMatchObject([{ server, clientAddress: { host: '192.0.2.1' }, reason: 'address' }])
    await once(first.resume().end(), 'close')
    await server.waitForConnections((open) => open === 0)
    expect(await exchange(server.address, `${from(1)}again\n`)).toBe('again\n')
    await server.close()
    await ended
  })
})

import { describe, expect, it } from 'vitest'
import { ServeWorker } from '../../../lib/flow/worker/serve-worker.ts'
import {
  type BaseServer,
  drain,
  ForkingTCPServer,
  forked,
  forkPool,
  type Outcome,
  pipe,
  proxyProtocol,
  type StreamRequest,
  sequential,
  TLSServer,
  threads
} from '../../../lib/index.ts'
import { certificates } from '../../support/peers.ts'
import { exchangeProxied, exchangeProxiedTLS } from '../../support/proxy-clients.ts'
import { binary, line, sslTLV, tlv } from '../../support/proxy-headers.ts'
import { QuietTCPServer, quiet } from '../../support/quiet.ts'
import { unixPair } from '../../support/raw-peer.ts'
import { backends } from '../../support/server-subjects.ts'
import { turns, until } from '../../support/turns.ts'
import { checkNothingUnhandled } from '../../support/unhandled.ts'

checkNothingUnhandled()

const handler = new URL('proxied.mjs', import.meta.url)
const proxyOptions = { trust: ['127.0.0.1'] }
const rich = binary({ tlvs: [tlv(2, 'example.org'), sslTLV(1, 0, tlv(0x21, 'TLSv1.3'))], summed: true })

const modes = {
  'a child': () => forked<StreamRequest>(handler, { maxChildren: 1 }),
  'a thread': () => threads<StreamRequest>(handler, { size: 1 })
}

async function served(serving: AsyncIterable<Outcome<StreamRequest>>): Promise<Outcome<StreamRequest>[]> {
  const outcomes: Outcome<StreamRequest>[] = []
  for await (const outcome of serving) outcomes.push(outcome)
  return outcomes
}

describe.for(backends)('behind a proxy (%s)', (backend) => {
  describe.for(Object.keys(modes) as (keyof typeof modes)[])('%s', (which) => {
    it('hears of the client and of all that the header has said, and gets what has come behind it', async () => {
      const server = await new QuietTCPServer({ host: '127.0.0.1', backend, proxyProtocol: proxyOptions }).listen()
      const serving = served(modes[which]()(server))
      for (const sending of ['at once', 'before'] as const) {
        expect(await exchangeProxied(server.address, line, 'behind', sending)).toBe(
          '192.0.2.7:4711 1 198.51.100.1:443   0 true true behind'
        )
        expect(await exchangeProxied(server.address, rich, 'behind', sending)).toBe(
          '192.0.2.7:4711 2 198.51.100.1:443 example.org TLSv1.3 3 true true behind'
        )
      }
      await server.close()
      for (const { status, request, ranBy } of await serving) {
        expect([status, request.bytesIn, ranBy !== undefined]).toEqual(['fulfilled', 'behind'.length, true])
      }
      expect(server.errors).toEqual([])
    })

    it('hears of it where the header was read in a stage', async () => {
      const server = await new QuietTCPServer({ host: '127.0.0.1', backend }).listen()
      const serving = served(pipe(server, proxyProtocol(proxyOptions), modes[which]()))
      expect(await exchangeProxied(server.address, line, 'behind')).toMatch(/^192.0.2.7:4711 .* behind$/)
      await server.close()
      expect((await serving).map(({ status }) => status)).toEqual(['fulfilled'])
    })

    it('hears of it where the connection is encrypted', async () => {
      const proxied = new TLSServer({ ...certificates(), backend, proxyProtocol: proxyOptions })
      const server = await quiet(proxied).listen()
      const serving = served(modes[which]()(server as BaseServer<StreamRequest>))
      expect(await exchangeProxiedTLS(server.address, rich, 'secret')).toBe(
        '192.0.2.7:4711 2 198.51.100.1:443 example.org TLSv1.3 3 true true secret'
      )
      await server.close()
      expect((await serving).map(({ status }) => status)).toEqual(['fulfilled'])
    })
  })

  it('a handler can hand it over in its middle', async () => {
    const server = await new QuietTCPServer({ host: '127.0.0.1', backend, proxyProtocol: proxyOptions }).listen()
    const pool = forkPool(handler, { maxChildren: 1 })
    const serving = drain(
      sequential(async (request: StreamRequest) => {
        await request.rfile.readLine()
        await pool.run(request)
      })(server)
    )
    expect(await exchangeProxied(server.address, line, 'first\nrest')).toMatch(/^192.0.2.7:4711 1 .* rest$/)
    await server.close()
    await serving
    await pool.close()
  })
})

it('a ready-made server takes the option', async () => {
  const server = await new ForkingTCPServer({ maxChildren: 1, proxyProtocol: proxyOptions }, handler).listen()
  const serving = server.serveForever()
  expect(await exchangeProxied(server.address, rich, 'forked')).toMatch(/^192.0.2.7:4711 2 .* forked$/)
  await server.close()
  await serving
})

it('a Unix socket is read as one, whatever its proxy says of the client', async () => {
  const { fd, peer } = unixPair()
  const worker = new ServeWorker({ say: (_, said) => said?.(), adopt: () => fd, leave() {}, fail() {} })
  const reader = `export default async ({ rfile, wfile }) => {
    let read = ''
    while (!read.endsWith('behind')) read += await rfile.read()
    await wfile.write(read)
  }`
  await worker.load(`data:text/javascript,${encodeURIComponent(reader)}`)
  const proxied = { proxyAddress: { family: 'unix', path: '' }, bytes: Buffer.from(line).toString('base64') } as const
  const clientAddress = { family: 'IPv4', host: '192.0.2.7', port: 4711 } as const
  const carriage = { by: 'descriptor', fd: 0, noDelay: false, limits: {}, unread: undefined } as const
  worker.heard({ type: 'take', id: 1, server: 1, address: undefined, clientAddress, proxied, carriage }, fd)
  peer.send('before, ')
  await turns(5)
  // A read ends with the bytes that a descriptor came along with.
  peer.sendWithDescriptor('along, ')
  peer.send('behind')
  let heard = ''
  await until(() => {
    heard += String(peer.receive() ?? '')
    return heard !== ''
  })
  expect(heard).toBe('before, along, behind')
  peer.end()
})

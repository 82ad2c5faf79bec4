import { connect } from 'node:net'
import { connect as connectTLS } from 'node:tls'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { parallel, type StreamRequest, TLSServer, threadPool } from '../../lib/index.ts'
import {
  type ConnectionServer,
  type KindName,
  kindNames,
  kinds,
  occupancies,
  visit
} from '../support/bounded-servers.ts'
import { handlerModule } from '../support/handler-module.ts'
import { certificates, trusted } from '../support/peers.ts'
import { quiet } from '../support/quiet.ts'
import { turns, until } from '../support/turns.ts'
import { checkNothingUnhandled } from '../support/unhandled.ts'
import { Visitor } from '../support/visitor.ts'
import { runs } from './runs.ts'
import { descriptors, descriptorsDownTo } from './transports.ts'

checkNothingUnhandled()

const clientActs = ['ends', 'ends', 'resets at once', 'resets', 'stays', 'garbles', 'goes on by TLS'] as const
const serverActs = [
  'serves',
  'serves',
  'throws',
  'aborts',
  'detaches',
  'closes twice',
  'refuses',
  'starts TLS',
  'hands over',
  'is slow'
] as const

interface Visit {
  readonly client: (typeof clientActs)[number]
  readonly server: (typeof serverActs)[number]
  /** Turns of the loop before the client comes, and before it acts. */
  readonly after: number
  readonly pause: number
}

type Step =
  | Visit
  | { readonly maxConnections: number }
  | { readonly perAddress: number }
  | { readonly suspended: boolean }

interface History {
  readonly steps: readonly Step[]
  readonly maxConnections: number
  readonly perAddress: number
  readonly patient: boolean
}

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    arbitrary: fc.record({
      client: fc.constantFrom(...clientActs),
      server: fc.constantFrom(...serverActs),
      after: fc.nat(3),
      pause: fc.nat(6)
    }),
    weight: 8
  },
  { arbitrary: fc.record({ maxConnections: fc.integer({ min: 1, max: 6 }) }), weight: 1 },
  { arbitrary: fc.record({ perAddress: fc.constantFrom(1, 3, 100, Number.POSITIVE_INFINITY) }), weight: 1 },
  { arbitrary: fc.record({ suspended: fc.boolean() }), weight: 1 }
)

const history: fc.Arbitrary<History> = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 25 }),
  maxConnections: fc.integer({ min: 1, max: 6 }),
  perAddress: fc.constantFrom(100, Number.POSITIVE_INFINITY),
  patient: fc.boolean()
})

const everything: History = {
  steps: [...serverActs, ...serverActs].map((server) => ({ client: 'ends', server, after: 0, pause: 0 })),
  maxConnections: 100,
  perAddress: 100,
  patient: true
}

const pool = threadPool(handlerModule('export default ({ wfile }) => wfile.write("from afar")'), {
  size: 1,
  limit: 100
})
afterAll(() => pool.close({ deadline: 0 }))

const identity = certificates()

function comes(server: ConnectionServer, act: Visit['client']): Visitor {
  const isPlain = act === 'garbles' || act === 'goes on by TLS'
  const { family } = server.address
  if (!(server instanceof TLSServer && isPlain) || family === 'unix') return visit(server)
  const { host, port } = server.address
  return new Visitor(connect({ host, port, allowHalfOpen: true }), true)
}

async function acts(visitor: Visitor, { client, pause }: Visit): Promise<void> {
  if (client === 'resets at once') visitor.reset()
  await turns(pause)
  if (client === 'ends') visitor.end()
  if (client === 'resets') visitor.reset()
  if (client === 'garbles') visitor.send('this is no handshake\r\n')
  if (client === 'goes on by TLS' && 'remotePort' in visitor.socket) {
    connectTLS({ ...trusted(), socket: visitor.socket }).on('error', () => {})
  }
}

async function hold({ steps, maxConnections, perAddress, patient }: History, name: KindName): Promise<void> {
  const counts = occupancies()
  const server = quiet(
    kinds[name].make({ maxConnections, maxConnectionsPerAddress: perAddress, lingerTimeout: 5 })
  ) as ConnectionServer
  const acting = steps.flatMap((one) => ('server' in one ? [one.server] : []))
  const detached: { destroy(): unknown }[] = []
  let taken = 0
  server.verifyRequest = () => acting[taken++ % acting.length] !== 'refuses'
  await server.listen()
  const serving = server.serveForever(
    parallel(
      async (request: StreamRequest) => {
        switch (acting[(taken - 1) % acting.length]) {
          case 'throws':
            throw new Error('thrown')
          case 'aborts':
            request.abort()
            return request.abort()
          case 'detaches':
            return void detached.push(request.detach().on('error', () => {}))
          case 'closes twice':
            return void Promise.all([request.close(), request.close()]).catch(() => {})
          case 'starts TLS':
            return request.startTLS({ ...identity, handshakeTimeout: 20 })
          case 'hands over':
            return pool.run(request)
          case 'is slow':
            return turns(10)
          default:
            await request.wfile.write('hello')
            return request.rfile.readAll()
        }
      },
      { limit: 100 }
    )
  )
  const visitors: Visitor[] = []
  const playing: Promise<void>[] = []
  for (const one of steps) {
    if ('maxConnections' in one) server.setLimits({ maxConnections: one.maxConnections })
    else if ('perAddress' in one) server.setLimits({ maxConnectionsPerAddress: one.perAddress })
    else if ('suspended' in one) one.suspended ? server.suspend() : server.resume()
    else {
      await turns(one.after)
      const visitor = comes(server, one.client)
      visitors.push(visitor)
      playing.push(acts(visitor, one))
    }
  }
  await Promise.all(playing)
  if (patient) {
    server.resume()
    server.setLimits({ maxConnections: Number.POSITIVE_INFINITY })
    for (const visitor of visitors) visitor.end()
    await turns(5)
    for (const visitor of visitors) visitor.socket.destroy()
    await until(() => server.stats().open === 0 && server.stats().waiting === 0)
  }
  await server.close({ deadline: 0 })
  await serving
  for (const visitor of visitors) visitor.socket.destroy()
  for (const socket of detached) socket.destroy()
  for (let i = 0; i < 2_000 && Array.from(counts).some(({ open }) => open !== 0); i++) await turns()
  for (const occupancy of counts) {
    expect(occupancy.open).toBe(0)
    // Nobody is left under any address either.
    server.setLimits({ maxConnectionsPerAddress: 1 })
    expect(occupancy.count({ family: 'IPv4', host: '127.0.0.1', port: 1 })).not.toBe(false)
  }
}

describe.for(kindNames)('the count of open connections, %s', (name) => {
  it('is back at 0, and so are their descriptors, whatever has become of each', async () => {
    // What is made at the first use, in the thread too, is there before anything is counted.
    await hold(everything, name)
    const before = descriptors()
    await fc.assert(
      fc.asyncProperty(history, async (plan) => {
        await hold(plan, name)
        expect(await descriptorsDownTo(before)).toBeLessThanOrEqual(before)
      }),
      { numRuns: runs(25), endOnFailure: true }
    )
  })
})

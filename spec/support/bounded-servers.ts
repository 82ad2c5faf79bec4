import { connect } from 'node:net'
import { connect as connectTLS } from 'node:tls'
import { onTestFinished } from 'vitest'
import { Occupancy } from '../../lib/accept/stream/occupancy.ts'
import { type StreamLimits, TCPServer, TLSServer, UnixStreamServer } from '../../lib/index.ts'
import { MemoryServer } from '../../lib/testing/entry.ts'
import { certificates, temporaryPath, trusted } from './peers.ts'
import { type Quieted, quiet } from './quiet.ts'
import { Visitor } from './visitor.ts'

/** A server of connections, whatever it listens on. */
export type ConnectionServer = Quieted<TCPServer | TLSServer | UnixStreamServer | MemoryServer>

interface Kind {
  make(limits: Partial<StreamLimits>): TCPServer | TLSServer | UnixStreamServer | MemoryServer
  /** What becomes of whom there is no room for. */
  readonly surplus: 'waits' | 'is closed'
}

const tls = (backend: 'native' | 'node'): Kind['make'] => {
  return (limits) => new TLSServer({ ...certificates(), ...limits, backend })
}
const unix = (backend: 'native' | 'node'): Kind['make'] => {
  return (limits) => new UnixStreamServer({ path: temporaryPath(), ...limits, backend })
}

/** Every way to a server of connections. */
export const kinds = {
  'TCP, native': { make: (limits) => new TCPServer({ ...limits, backend: 'native' }), surplus: 'waits' },
  "TCP, Node's": { make: (limits) => new TCPServer({ ...limits, backend: 'node' }), surplus: 'is closed' },
  'TLS, native': { make: tls('native'), surplus: 'waits' },
  "TLS, Node's": { make: tls('node'), surplus: 'is closed' },
  'a Unix path, native': { make: unix('native'), surplus: 'waits' },
  "a Unix path, Node's": { make: unix('node'), surplus: 'is closed' },
  'in memory': { make: (limits) => new MemoryServer(limits), surplus: 'is closed' }
} satisfies Record<string, Kind>

/** The name of one. */
export type KindName = keyof typeof kinds

export const kindNames = Object.keys(kinds) as KindName[]

/** A server that listens, closed after the test. */
export async function bounded(name: KindName, limits: Partial<StreamLimits> = {}): Promise<ConnectionServer> {
  const server = quiet(kinds[name].make(limits)) as ConnectionServer
  onTestFinished(async () => {
    await server.close({ deadline: 0 })
  })
  await server.listen()
  return server
}

/** A client that connects, half-open allowed; whether it is let in shows later. */
export function visit(server: ConnectionServer): Visitor {
  if (server instanceof MemoryServer) return new Visitor(server.connect())
  const address = server.address
  if (address.family === 'unix') return new Visitor(connect({ path: address.path, allowHalfOpen: true }))
  const { host, port } = address
  if (server instanceof TLSServer) return new Visitor(connectTLS({ ...trusted(), host, port }))
  return new Visitor(connect({ host, port, allowHalfOpen: true }), true)
}

/** Every listener's count of who is open, of those that count somebody from now on, until the test is over. */
export function occupancies(): ReadonlySet<Occupancy> {
  const seen = new Set<Occupancy>()
  const { enter } = Occupancy.prototype
  Occupancy.prototype.enter = function (this: Occupancy): void {
    seen.add(this)
    enter.call(this)
  }
  onTestFinished(() => {
    Occupancy.prototype.enter = enter
  })
  return seen
}

/** How many connections they count. */
export function counted(): () => number {
  const seen = occupancies()
  return () => Array.from(seen).reduce((sum, { open }) => sum + open, 0)
}

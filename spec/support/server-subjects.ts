import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type Address, type InternetAddress, UDPServer, type UnixAddress, UnixDatagramServer } from '../../lib/index.ts'
import type { AnyServer, DatagramClient, Question, ServerSubject } from '../../lib/testing/entry.ts'
import { udpClient } from './datagram-clients.ts'
import { received, temporaryPath } from './peers.ts'
import { dialUnix, unixDatagramClient } from './unix-clients.ts'

/** A name that nobody has. */
export const abstractName = (): string => `\0it-kit-${temporaryPath()}`
/** What the kits want of servers. */
export const maxPending = 100

function dial(address: Address): Socket {
  if (address.family !== 'unix') return connect({ host: address.host, port: address.port, allowHalfOpen: true })
  return address.path.startsWith('\0') ? dialUnix(address.path) : connect({ path: address.path, allowHalfOpen: true })
}

/** Sends its input, ends, and reads to the end. */
export function byStream(client: Duplex, input: string): Question {
  client.on('error', () => {})
  const connected = (client as Socket).connecting ? once(client, 'connect') : Promise.resolve()
  const reply = received(client as Socket)
  client.end(input)
  return { sent: connected, reply, close: () => client.destroy() }
}

/** A server of connections; clients send something before their input, or nothing. */
export const streams = (make: () => AnyServer, onDemand = false, before = ''): Omit<ServerSubject, 'name'> => ({
  server: make,
  ask: (server, input) => byStream(dial(server.address as Address), before + input),
  onDemand
})

/** Who talks to the kernel. */
export const backends = ['native', 'node'] as const

const datagrams = (
  make: () => AnyServer,
  onDemand: boolean,
  client: (address: Address) => DatagramClient | Promise<DatagramClient>
): Omit<ServerSubject, 'name'> => ({
  server: make,
  ask(server, input) {
    const there = Promise.resolve(client(server.address as Address))
    const sent = there.then(({ send }) => send(Buffer.from(input)))
    const reply = sent.then(async () => (await there).receive())
    return { sent, reply, close: async () => (await there).close() }
  },
  onDemand
})

/** A UDP server. */
export const udp = (host: string, backend: 'native' | 'node'): Omit<ServerSubject, 'name'> =>
  datagrams(
    () => new UDPServer({ host, backend, maxPending }),
    backend === 'native',
    (address) => udpClient(address as InternetAddress)
  )

/** A server of Unix datagrams. */
export const unixDatagrams = (path: () => string): Omit<ServerSubject, 'name'> =>
  datagrams(
    () => new UnixDatagramServer({ path: path(), maxPending }),
    true,
    (address) => unixDatagramClient((address as UnixAddress).path, path())
  )

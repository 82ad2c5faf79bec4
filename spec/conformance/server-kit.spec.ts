import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTLS } from 'node:tls'
import { it } from 'vitest'
import {
  type Address,
  type InternetAddress,
  TCPServer,
  TLSServer,
  UDPServer,
  type UnixAddress,
  UnixDatagramServer,
  UnixStreamServer
} from '../../lib/index.ts'
import {
  type AnyServer,
  checkServer,
  type DatagramClient,
  MemoryDatagramServer,
  MemoryServer,
  type Question,
  type ServerSubject
} from '../../lib/testing/entry.ts'
import { udpClient } from '../support/datagram-clients.ts'
import { certificates, received, temporaryPath, trusted } from '../support/peers.ts'
import { dialUnix, unixDatagramClient } from '../support/unix-clients.ts'

const abstractName = (): string => `\0it-kit-${temporaryPath()}`
const maxPending = 100

function dial(address: Address): Socket {
  if (address.family !== 'unix') return connect({ host: address.host, port: address.port, allowHalfOpen: true })
  return address.path.startsWith('\0') ? dialUnix(address.path) : connect({ path: address.path, allowHalfOpen: true })
}

/** Sends its input, ends, and reads to the end. */
function byStream(client: Duplex, input: string): Question {
  client.on('error', () => {})
  const connected = (client as Socket).connecting ? once(client, 'connect') : Promise.resolve()
  const reply = received(client as Socket)
  client.end(input)
  return { sent: connected, reply, close: () => client.destroy() }
}

const streams = (make: () => AnyServer, onDemand = false): Omit<ServerSubject, 'name'> => ({
  server: make,
  ask: (server, input) => byStream(dial(server.address as Address), input),
  onDemand
})

const backends = ['native', 'node'] as const

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

const udp = (host: string, backend: 'native' | 'node'): Omit<ServerSubject, 'name'> =>
  datagrams(
    () => new UDPServer({ host, backend, maxPending }),
    backend === 'native',
    (address) => udpClient(address as InternetAddress)
  )

const unixDatagrams = (path: () => string): Omit<ServerSubject, 'name'> =>
  datagrams(
    () => new UnixDatagramServer({ path: path(), maxPending }),
    true,
    (address) => unixDatagramClient((address as UnixAddress).path, path())
  )

const servers: readonly ServerSubject[] = [
  ...backends.flatMap((backend) => [
    {
      name: `TCPServer over IPv4, ${backend}`,
      ...streams(() => new TCPServer({ maxPending, backend }), backend === 'native')
    },
    {
      name: `TCPServer over IPv6, ${backend}`,
      ...streams(() => new TCPServer({ host: '::1', maxPending, backend }), backend === 'native')
    },
    {
      name: `UnixStreamServer at a path, ${backend}`,
      ...streams(() => new UnixStreamServer({ path: temporaryPath(), maxPending, backend }), backend === 'native')
    },
    {
      name: `UnixStreamServer at an abstract name, ${backend}`,
      ...streams(() => new UnixStreamServer({ path: abstractName(), maxPending, backend }), backend === 'native')
    }
  ]),
  { name: 'UDPServer over IPv4, native', ...udp('127.0.0.1', 'native') },
  { name: 'UDPServer over IPv6, native', ...udp('::1', 'native') },
  { name: "UDPServer over IPv4, Node's", ...udp('127.0.0.1', 'node') },
  { name: "UDPServer over IPv6, Node's", ...udp('::1', 'node') },
  { name: 'UnixDatagramServer at a path', ...unixDatagrams(temporaryPath) },
  { name: 'UnixDatagramServer at an abstract name', ...unixDatagrams(abstractName) },
  {
    name: 'TLSServer',
    server: () => new TLSServer({ maxPending, ...certificates() }),
    ask: (server, input) => byStream(connectTLS({ ...trusted(), ...(server.address as InternetAddress) }), input)
  }
]

for (const subject of servers) void checkServer(subject, { test: it })

void checkServer(
  {
    name: 'MemoryServer',
    server: () => new MemoryServer({ maxPending }),
    ask: (server, input) => byStream(server.connect(), input)
  },
  { test: it }
)

void checkServer(
  {
    name: 'MemoryDatagramServer',
    server: () => new MemoryDatagramServer({ maxPending }),
    ask: (server, input) => ({ sent: Promise.resolve(), reply: server.send(input) })
  },
  { test: it }
)

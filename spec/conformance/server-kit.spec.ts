import { connect as connectTLS } from 'node:tls'
import { it } from 'vitest'
import { type InternetAddress, TCPServer, TLSServer, UnixStreamServer } from '../../lib/index.ts'
import {
  type AnyServer,
  checkServer,
  MemoryDatagramServer,
  MemoryServer,
  type ServerSubject
} from '../../lib/testing/entry.ts'
import { certificates, temporaryPath, trusted } from '../support/peers.ts'
import { line } from '../support/proxy-headers.ts'
import {
  abstractName,
  backends,
  byStream,
  maxPending,
  streams,
  udp,
  unixDatagrams
} from '../support/server-subjects.ts'

const proxyProtocol = { trust: ['127.0.0.1'] }

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
    },
    {
      name: `TCPServer behind a proxy, ${backend}`,
      ...streams(() => new TCPServer({ maxPending, backend, proxyProtocol }), backend === 'native', line)
    }
  ]),
  { name: 'UDPServer over IPv4, native', ...udp('127.0.0.1', 'native') },
  { name: 'UDPServer over IPv6, native', ...udp('::1', 'native') },
  { name: "UDPServer over IPv4, Node's", ...udp('127.0.0.1', 'node') },
  { name: "UDPServer over IPv6, Node's", ...udp('::1', 'node') },
  { name: 'UnixDatagramServer at a path', ...unixDatagrams(temporaryPath) },
  { name: 'UnixDatagramServer at an abstract name', ...unixDatagrams(abstractName) },
  ...backends.map((backend) => ({
    name: `TLSServer, ${backend}`,
    server: () => new TLSServer({ maxPending, backend, ...certificates() }),
    ask: (server: AnyServer, input: string) =>
      byStream(connectTLS({ ...trusted(), ...(server.address as InternetAddress) }), input),
    // Its handshakes want it to take connections before anybody asks for them.
    keepsSuspended: backend === 'native'
  }))
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

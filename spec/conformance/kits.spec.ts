import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { it } from 'vitest'
import { InheritedDatagramBinding } from '../../lib/accept/datagram/inherited-datagram-binding.ts'
import { NativeDatagramListener } from '../../lib/accept/datagram/native-datagram-listener.ts'
import { udpListener } from '../../lib/accept/datagram/udp-listener.ts'
import { UnixDatagramBinding } from '../../lib/accept/datagram/unix-datagram-binding.ts'
import { behindProxy } from '../../lib/accept/proxy/proxy-listener.ts'
import { proxyOption } from '../../lib/accept/proxy/proxy-options.ts'
import { tcpListener, unixListener } from '../../lib/accept/stream/stream-listener.ts'
import { TLSEngine } from '../../lib/accept/tls/tls-engine.ts'
import { TLSListener } from '../../lib/accept/tls/tls-listener.ts'
import type { InternetAddress, Listener, Request, StreamRequest, UnixAddress } from '../../lib/index.ts'
import {
  checkDatagramListener,
  checkStreamListener,
  type DatagramListenerSubject,
  MemoryDatagramListener,
  MemoryStreamListener,
  type StreamListenerSubject
} from '../../lib/testing/entry.ts'
import { memoryDatagramClient, udpClient } from '../support/datagram-clients.ts'
import { datagramLimits, streamLimits, tlsLimits } from '../support/limits.ts'
import { listeningSocket, madeSocket } from '../support/made-sockets.ts'
import { certificates, dialTLS, temporaryPath } from '../support/peers.ts'
import { line } from '../support/proxy-headers.ts'
import { dialUnix, unixDatagramClient } from '../support/unix-clients.ts'

const abstractName = (): string => `\0it-kit-${temporaryPath()}`
const owned = { mode: undefined, uid: undefined, gid: undefined }

const buffers = { receiveBufferSize: undefined, sendBufferSize: undefined }
const replies = { maxQueuedReplies: 100, sendTimeout: 5_000 }
const noMulticast = {
  fd: undefined,
  ...{ ipv6Only: false, reusePort: false, broadcast: false, multicast: [] },
  ...{ multicastTTL: undefined, multicastLoopback: undefined, multicastInterface: undefined }
}

async function dialled({ address }: Listener<Request>): Promise<Socket> {
  if (address === undefined) throw new Error('It does not listen')
  if (address.family === 'unix' && address.path.startsWith('\0')) return dialUnix(address.path)
  const target = address.family === 'unix' ? { path: address.path } : { host: address.host, port: address.port }
  const client = connect({ ...target, allowHalfOpen: true })
  await once(client, 'connect')
  return client
}

type StreamSubject = Omit<StreamListenerSubject, 'name'>

const plain = { backlog: 511, noDelay: false, keepAlive: undefined }

const tcp = (host: string, native: boolean): StreamSubject => ({
  listener({ server, stats, maxPending, address }) {
    const port = (address as InternetAddress | undefined)?.port ?? 0
    const limits = streamLimits({ maxPending })
    const options = { ...plain, limits, host, port, ipv6Only: false, reusePort: false, reuseAddress: true }
    return tcpListener(native, options, server, stats)
  },
  connect: dialled,
  fixedAddress: true,
  onDemand: native,
  reset: (client) => void (client as Socket).resetAndDestroy(),
  addressOf: (client) => {
    const { localAddress, localPort, localFamily } = client as Socket
    return { family: localFamily, host: localAddress, port: localPort } as InternetAddress
  }
})

const unix = (path: () => string, native: boolean): StreamSubject => ({
  listener({ server, stats, maxPending, address }) {
    const at = address?.family === 'unix' ? address.path : path()
    return unixListener(native, { ...plain, ...owned, limits: streamLimits({ maxPending }), path: at }, server, stats)
  },
  connect: dialled,
  fixedAddress: true,
  onDemand: native,
  addressOf: () => ({ family: 'unix', path: '' })
})

const tls = (native: boolean): StreamSubject => ({
  ...tcp('127.0.0.1', native),
  listener(made) {
    const { server, stats, maxPending } = made
    const context = { server, stats, limits: tlsLimits({ maxHandshakes: 100, maxPending }), noDelay: true }
    const inner = tcp('127.0.0.1', native).listener(made) as Listener<StreamRequest>
    return new TLSListener(inner, new TLSEngine('TLS', certificates()), context)
  },
  connect: async (listener) => {
    const socket = await dialled(listener)
    return Object.assign(await dialTLS(listener.address as InternetAddress, { socket }), { plain: socket })
  },
  // Its handshakes want it to take connections before anybody asks for them.
  onDemand: false,
  keepsSuspended: native,
  reset: (client) => void (client as Duplex & { plain: Socket }).plain.resetAndDestroy()
})

const proxied = (native: boolean): StreamSubject => {
  const { listener, reset } = tcp('127.0.0.1', native)
  return {
    fixedAddress: true,
    onDemand: native,
    // Where something has come before, Node 20 takes a reset for an end.
    ...(native && reset !== undefined && { reset }),
    listener(made) {
      const plan = proxyOption({ trust: ['127.0.0.1'] }, false)
      return behindProxy(listener(made) as Listener<StreamRequest>, plan, made.stats)
    },
    connect: async (behind) => {
      const client = await dialled(behind)
      client.write(line)
      return client
    },
    addressOf: () => ({ family: 'IPv4', host: '192.0.2.7', port: 4_711 })
  }
}

const inherited = (where: 'IPv4' | (() => string), native: boolean): StreamSubject => {
  const { addressOf } = where === 'IPv4' ? tcp('127.0.0.1', native) : unix(temporaryPath, native)
  return {
    listener({ server, stats, maxPending }) {
      const { fd } = listeningSocket(where === 'IPv4' ? where : { path: where() })
      const options = { ...plain, limits: streamLimits({ maxPending }), fd, keepsBacklog: true }
      return (where === 'IPv4' ? tcpListener : unixListener)(native, options, server, stats)
    },
    connect: dialled,
    onDemand: native,
    leavesWaiting: true,
    ...(addressOf !== undefined && { addressOf })
  }
}

const streams: readonly StreamListenerSubject[] = [
  ...[true, false].flatMap((native) => {
    const by = native ? 'native' : "Node's"
    return [
      { name: `TCP over IPv4, ${by}`, ...tcp('127.0.0.1', native) },
      { name: `TCP over IPv6, ${by}`, ...tcp('::1', native) },
      { name: `a Unix path, ${by}`, ...unix(temporaryPath, native) },
      { name: `a Unix abstract name, ${by}`, ...unix(abstractName, native) },
      { name: `TLS, ${by}`, ...tls(native) },
      { name: `TCP behind a proxy, ${by}`, ...proxied(native) },
      { name: `an inherited TCP socket, ${by}`, ...inherited('IPv4', native) },
      { name: `an inherited Unix socket, ${by}`, ...inherited(temporaryPath, native) }
    ]
  }),
  {
    name: 'memory',
    listener: ({ server, stats, maxPending }) => new MemoryStreamListener({ maxPending }, server, stats),
    connect: (listener) => (listener as MemoryStreamListener).connect(),
    reset: (client: Duplex) => void client.destroy(new Error('reset')),
    addressOf: () => ({ family: 'unix', path: '' })
  }
]

const udp = (host: string, native: boolean): Omit<DatagramListenerSubject, 'name'> => ({
  listener: ({ server, stats, maxPending, maxPacketSize, address }) => {
    const port = (address as InternetAddress | undefined)?.port ?? 0
    const limits = datagramLimits({ ...replies, maxPending, maxPacketSize })
    return udpListener(native, { ...buffers, ...noMulticast, limits, host, port }, server, stats)
  },
  client: ({ address }) => udpClient(address as InternetAddress),
  fixedAddress: true,
  onDemand: native,
  largest: 65_507
})

const inheritedUDP = (native: boolean): Omit<DatagramListenerSubject, 'name'> => ({
  listener: ({ server, stats, maxPending, maxPacketSize }) => {
    const limits = datagramLimits({ ...replies, maxPending, maxPacketSize })
    const bounds = { ...buffers, ...noMulticast, limits }
    const { fd } = madeSocket('IPv4', 'datagram')
    return udpListener(native, { ...bounds, host: '', port: 0, fd }, server, stats)
  },
  client: ({ address }) => udpClient(address as InternetAddress),
  onDemand: native,
  leavesWaiting: true,
  largest: 65_507
})

const inheritedUnixDatagrams: Omit<DatagramListenerSubject, 'name'> = {
  listener: ({ server, stats, maxPending, maxPacketSize }) => {
    const { fd } = madeSocket({ path: temporaryPath() }, 'datagram')
    const options = { ...buffers, limits: datagramLimits({ ...replies, maxPending, maxPacketSize }), fd }
    return new NativeDatagramListener(new InheritedDatagramBinding(options), options, server, stats)
  },
  client: ({ address }) => unixDatagramClient((address as UnixAddress).path, temporaryPath()),
  onDemand: true,
  leavesWaiting: true,
  largest: 100_000
}

const unixDatagrams = (path: () => string): Omit<DatagramListenerSubject, 'name'> => ({
  listener: ({ server, stats, maxPending, maxPacketSize, address }) => {
    const limits = datagramLimits({ ...replies, maxPending, maxPacketSize })
    const options = { ...buffers, ...owned, limits, path: (address as UnixAddress)?.path ?? path() }
    return new NativeDatagramListener(new UnixDatagramBinding(options), options, server, stats)
  },
  client: ({ address }) => unixDatagramClient((address as UnixAddress).path, path()),
  fixedAddress: true,
  onDemand: true,
  largest: 100_000
})

const datagrams: readonly DatagramListenerSubject[] = [
  { name: 'UDP over IPv4, native', ...udp('127.0.0.1', true) },
  { name: 'UDP over IPv6, native', ...udp('::1', true) },
  { name: "UDP over IPv4, Node's", ...udp('127.0.0.1', false) },
  { name: "UDP over IPv6, Node's", ...udp('::1', false) },
  { name: 'an inherited UDP socket, native', ...inheritedUDP(true) },
  { name: "an inherited UDP socket, Node's", ...inheritedUDP(false) },
  { name: 'an inherited socket of Unix datagrams', ...inheritedUnixDatagrams },
  { name: 'datagrams at a Unix path', ...unixDatagrams(temporaryPath) },
  { name: 'datagrams at a Unix abstract name', ...unixDatagrams(abstractName) },
  {
    name: 'datagrams in memory',
    listener: ({ server, stats, maxPending, maxPacketSize }) =>
      new MemoryDatagramListener({ maxPending, maxPacketSize }, server, stats),
    client: (listener) => memoryDatagramClient(listener as MemoryDatagramListener),
    largest: 1_000_000
  }
]

for (const subject of datagrams) void checkDatagramListener(subject, { test: it })
for (const subject of streams) void checkStreamListener(subject, { test: it })

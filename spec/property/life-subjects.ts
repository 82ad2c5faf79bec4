import { createSocket } from 'node:dgram'
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { connect as connectTLS } from 'node:tls'
import {
  BaseServer,
  type DatagramLimits,
  type InternetAddress,
  MessageRequest,
  type StreamLimits,
  TCPServer,
  TLSServer,
  UDPServer,
  UnixDatagramServer,
  UnixStreamServer
} from '../../lib/index.ts'
import { MemoryDatagramServer, MemoryServer } from '../../lib/testing/entry.ts'
import { UnixPeer } from '../support/datagram-peers.ts'
import { certificates, temporaryPath, trusted } from '../support/peers.ts'

/** What a server is made with. */
export type Bounds = Pick<StreamLimits, 'maxConnections' | 'maxPending'>

/** A client of a run, whatever it speaks by. */
export interface Visitor {
  /** Settles when the server can know of it, or never will. */
  readonly sent: Promise<unknown>
  /** Settles when it has seen the end of its connection; a datagram has none. */
  readonly over: Promise<unknown>
  /** What has come back. */
  readonly got: () => string
  /** It ends its output, or goes, or dies. */
  leave(how: 'end' | 'destroy' | 'reset'): void
}

/** Rows that come now and then, and are taken by a server that knows no sockets. */
class RowServer extends BaseServer<MessageRequest> {
  readonly #rows: { readonly packet: string; readonly reply: (bytes: Buffer) => void }[] = []
  #come: (() => void) | undefined

  put(packet: string, reply: (bytes: Buffer) => void): void {
    this.#rows.push({ packet, reply })
    this.#come?.()
  }

  override async getRequest(signal: AbortSignal): Promise<MessageRequest | undefined> {
    while (!signal.aborted) {
      const row = this.#rows.shift()
      if (row !== undefined) return new MessageRequest({ server: this, ...row })
      await new Promise<void>((resolve) => {
        this.#come = resolve
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
    }
    return undefined
  }
}

/** Servers as the runs see them. */
export type AnyServer = Omit<BaseServer, 'handler' | 'listen' | 'stage' | 'ref' | 'unref' | 'setLimits'> & {
  listen(options?: { signal?: AbortSignal }): Promise<unknown>
  setLimits(limits: Partial<StreamLimits & DatagramLimits>): void
}

/** A server, and how it is called on. */
export interface Subject {
  readonly server: AnyServer
  /** Come, with these bytes. */
  visit(packet: string): Visitor
  /** Whether it takes connections. */
  readonly connections: boolean
  /** Which of these limits it knows. */
  readonly knows: readonly (keyof Bounds)[]
  /** Give back what the clients have. */
  end(): void
}

/** A client's stream, and the socket that can be reset, where there is one. */
interface Dialled {
  readonly stream: Duplex
  readonly socket?: Socket
}

function byConnection({ stream, socket }: Dialled): Visitor {
  const chunks: Buffer[] = []
  stream.on('error', () => {})
  socket?.on('error', () => {})
  stream.on('data', (chunk: Buffer) => chunks.push(chunk))
  const over = new Promise<void>((resolve) => {
    stream.once('end', resolve)
    stream.once('close', resolve)
  })
  // The server may have to take it in before its handshake is done.
  const outer = socket ?? stream
  const connecting = 'connecting' in outer && outer.connecting
  const sent = connecting
    ? Promise.race([new Promise((resolve) => outer.once('connect', resolve)), over])
    : Promise.resolve()
  return {
    sent,
    over,
    got: () => Buffer.concat(chunks).toString(),
    leave(how) {
      if (how === 'end') stream.end()
      else if (how === 'destroy') stream.destroy()
      else if (socket === undefined) stream.destroy(new Error('reset'))
      // Node cannot reset what is being shut down, and neither says so nor closes it.
      else if (socket.writableEnded || stream.writableEnded) stream.destroy()
      else socket.resetAndDestroy()
    }
  }
}

function connections(server: AnyServer, dial: () => Dialled): Subject {
  const all: Dialled[] = []
  return {
    server,
    connections: true,
    knows: ['maxConnections', 'maxPending'],
    visit(packet) {
      const dialled = dial()
      all.push(dialled)
      const visitor = byConnection(dialled)
      if (packet !== '') dialled.stream.write(packet)
      return visitor
    },
    end: () => {
      for (const { stream, socket } of all) {
        stream.destroy()
        socket?.destroy()
      }
    }
  }
}

const settledAlready = Promise.resolve()

function messages(server: AnyServer, send: (packet: string, got: (bytes: Buffer) => void) => unknown): Subject {
  return {
    server,
    connections: false,
    knows: ['maxPending'],
    visit(packet) {
      const replies: string[] = []
      const sent = Promise.resolve(send(packet, (bytes) => replies.push(bytes.toString()))).catch(() => {})
      return { sent, over: settledAlready, got: () => replies.join(''), leave() {} }
    },
    end() {}
  }
}

const lingerTimeout = 50

const dialTCP = ({ address: { host, port } }: { readonly address: InternetAddress }): Socket =>
  connect({ host, port, allowHalfOpen: true })

function tcp(bounds: Bounds, backend: 'native' | 'node'): Subject {
  const server = new TCPServer({ ...bounds, backend, lingerTimeout })
  return connections(server, () => {
    const socket = dialTCP(server)
    return { stream: socket, socket }
  })
}

function unix(bounds: Bounds, backend: 'native' | 'node'): Subject {
  const path = temporaryPath()
  const server = new UnixStreamServer({ ...bounds, path, backend, lingerTimeout })
  return connections(server, () => ({ stream: connect({ path, allowHalfOpen: true }) }))
}

function tls(bounds: Bounds, backend: 'native' | 'node'): Subject {
  const server = new TLSServer({ ...bounds, ...certificates(), backend, lingerTimeout })
  return connections(server, () => {
    const socket = dialTCP(server)
    return { stream: connectTLS({ ...trusted(), socket }), socket }
  })
}

function udp(bounds: Bounds, backend: 'native' | 'node'): Subject {
  const server = new UDPServer({ maxPending: bounds.maxPending, backend })
  const socket = createSocket('udp4')
  const subject = messages(
    server,
    (packet) =>
      new Promise((resolve) => socket.send(packet, server.address.port, server.address.host, () => resolve(undefined)))
  )
  return { ...subject, end: () => void socket.close() }
}

function unixDatagram(bounds: Bounds): Subject {
  const path = temporaryPath()
  const server = new UnixDatagramServer({ maxPending: bounds.maxPending, path })
  const peer = new UnixPeer(`${path}.client`)
  // Full, or nobody's any more: then it has not come.
  const subject = messages(server, (packet) => void peer.send(path, packet))
  return { ...subject, end: () => peer[Symbol.dispose]() }
}

function memory(bounds: Bounds): Subject {
  const server = new MemoryServer({ ...bounds, lingerTimeout })
  return connections(server, () => ({ stream: server.connect() }))
}

function memoryDatagram({ maxPending }: Bounds): Subject {
  const server = new MemoryDatagramServer({ maxPending })
  return messages(server, (packet, got) => {
    void server.send(packet).then(
      (reply) => reply !== undefined && got(reply),
      () => {}
    )
    return settledAlready
  })
}

function rows(): Subject {
  const server = new RowServer()
  return { ...messages(server, (packet, got) => server.put(packet, got)), knows: [] }
}

/** Whatever takes requests in. */
export const subjects = {
  'TCP, native': (bounds: Bounds) => tcp(bounds, 'native'),
  "TCP, Node's": (bounds: Bounds) => tcp(bounds, 'node'),
  'Unix, native': (bounds: Bounds) => unix(bounds, 'native'),
  "Unix, Node's": (bounds: Bounds) => unix(bounds, 'node'),
  'TLS, native': (bounds: Bounds) => tls(bounds, 'native'),
  "TLS, Node's": (bounds: Bounds) => tls(bounds, 'node'),
  'UDP, native': (bounds: Bounds) => udp(bounds, 'native'),
  "UDP, Node's": (bounds: Bounds) => udp(bounds, 'node'),
  'Unix datagrams': unixDatagram,
  'connections in memory': memory,
  'datagrams in memory': memoryDatagram,
  rows
} satisfies Record<string, (bounds: Bounds) => Subject>

/** The name of one. */
export type Kind = keyof typeof subjects

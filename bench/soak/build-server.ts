import {
  type DatagramRequest,
  ForkingTCPServer,
  ForkingUDPServer,
  ForkingUnixDatagramServer,
  ForkingUnixStreamServer,
  forked,
  framed,
  type ListenerServer,
  lines,
  parallel,
  type Request,
  type Stage,
  type StreamRequest,
  TCPServer,
  ThreadingTCPServer,
  ThreadingUDPServer,
  ThreadingUnixDatagramServer,
  ThreadingUnixStreamServer,
  TLSServer,
  threads,
  UDPServer,
  UnixDatagramServer,
  UnixStreamServer
} from 'it-socketserver'
import serveMessage from '../handlers/soak-message.ts'
import serveStream from '../handlers/soak-stream.ts'
import type { Orders } from './orders.ts'
import { isStream } from './subject.ts'
import { usualLimits } from './usual-limits.ts'
import type { Watch } from './watch.ts'

// biome-ignore lint/suspicious/noExplicitAny: a server of any requests, which only their own stage takes
export type AnyServer = ListenerServer<any, any>

export interface Built {
  readonly server: AnyServer
  /** Serves until the server has closed */
  readonly serve: () => Promise<unknown>
}

const usualLimit = 32
const workers = { maxChildren: 2, spares: 1, maxRequestsPerChildInFlight: 4 }

const streamModule = new URL('../handlers/soak-stream.js', import.meta.url)
const messageModule = new URL('../handlers/soak-message.js', import.meta.url)

/** Makes the server of a subject, and what serves it */
export function buildServer(details: Orders['deploy'][0], watch: Watch): Built {
  const { subject, path, certificate, limit = usualLimit, maxConnections = usualLimits.maxConnections } = details
  const { transport, mode } = subject
  const stream = isStream(transport)
  const module = stream ? streamModule : messageModule
  const serve = (stream && mode !== 'framed' ? serveStream : serveMessage) as (request: Request) => Promise<void>
  const bound = mode === 'sequential' ? 1 : mode === 'loop' ? Number.POSITIVE_INFINITY : limit
  const handler = watch.over(serve, bound)
  const { maxPacketSize, idleTimeout, handshakeTimeout } = usualLimits
  const backend = { backend: subject.backend }
  const connections = { ...(maxConnections === 0 ? {} : { maxConnections }), idleTimeout }
  // The ready-made servers where there are some, stages for the others.
  const server = ((): AnyServer => {
    switch (transport) {
      case 'tcp': {
        const options = { ...backend, ...connections }
        if (mode === 'forked') return new ForkingTCPServer({ ...options, ...workers }, module)
        if (mode === 'parallel') return new ThreadingTCPServer({ ...options, limit }, handler)
        return new TCPServer(options, handler)
      }
      case 'tls':
        return new TLSServer({ ...backend, ...connections, ...certificate, handshakeTimeout }, handler)
      case 'unix': {
        const options = { ...backend, ...connections, path }
        if (mode === 'forked') return new ForkingUnixStreamServer({ ...options, ...workers }, module)
        if (mode === 'parallel') return new ThreadingUnixStreamServer({ ...options, limit }, handler)
        return new UnixStreamServer(options, handler)
      }
      case 'udp': {
        const options = { ...backend, maxPacketSize }
        if (mode === 'forked') return new ForkingUDPServer({ ...options, ...workers }, module)
        if (mode === 'parallel') return new ThreadingUDPServer({ ...options, limit }, handler)
        return new UDPServer(options, handler)
      }
      case 'unix-datagram': {
        const options = { path, maxPacketSize }
        if (mode === 'forked') return new ForkingUnixDatagramServer({ ...options, ...workers }, module)
        if (mode === 'parallel') return new ThreadingUnixDatagramServer({ ...options, limit }, handler)
        return new UnixDatagramServer(options, handler)
      }
    }
  })()
  const stage = ((): Stage<Request, unknown> | undefined => {
    switch (mode) {
      case 'keyed':
        return parallel(handler, { limit, key: (request) => watch.keyOf(request) })
      case 'framed': {
        const frames = framed(lines())
        const messages = parallel(handler, { limit })
        return (source) => messages(frames(source))
      }
      case 'threads':
        return threads(module, { size: 2, limit: 8 })
      case 'forked':
        return transport === 'tls' ? forked(module, workers) : undefined
      case 'parallel':
        return transport === 'tls' ? parallel(handler, { limit }) : undefined
      default:
        return undefined
    }
  })()
  if (mode === 'loop') return { server, serve: () => loop(server, handler) }
  return { server, serve: () => server.serveForever(stage) }
}

type Served = StreamRequest | DatagramRequest

async function loop(server: AsyncIterable<Served>, handler: (request: Request) => Promise<void>): Promise<void> {
  for await (const request of server) void serveByHand(request, handler)
}

async function serveByHand(request: Served, handler: (request: Request) => Promise<void>): Promise<void> {
  try {
    await handler(request)
    await request.close()
  } catch (error) {
    await request.close({ status: 'rejected', reason: error as Error }).catch(() => {})
  }
}

/**
 * Python's `socketserver` for Node.js: a server is an async iterable of requests, a concurrency mode is an iterator
 * combinator, a handler reads `rfile` and writes `wfile`.
 *
 * @packageDocumentation
 *
 * @example
 * class Upper extends StreamRequestHandler {
 *   override async handle () {
 *     for await (const line of this.rfile.lines()) await this.wfile.write(line.toString().toUpperCase())
 *   }
 * }
 * const server = await new TCPServer({ host: '127.0.0.1', port: 0 }).listen()
 * const serving = pipe(server, parallel(Upper, { limit: 40 }), drain)
 * assert.equal(await exchange(server.address, 'shout\n'), 'SHOUT\n')
 * await server.close()
 * await serving
 */
export { pipe } from 'it-pipe'
export type { AddressEntries, AddressEntry } from './accept/address/address-entry.ts'
export { AddressList } from './accept/address/address-list.ts'
export type { MulticastGroup } from './accept/datagram/datagram-options.ts'
export { DatagramRequest } from './accept/datagram/datagram-request.ts'
export type { ListenFdKind } from './accept/native/activated-kind.ts'
export type { Backend } from './accept/native/backend.ts'
export type { PeerCredentials } from './accept/native/peer-credentials.ts'
export type { ProxyProtocolOptions } from './accept/proxy/proxy-options.ts'
export { FrameRequest } from './accept/request/frame-request.ts'
export { type MessageOptions, MessageRequest } from './accept/request/message-request.ts'
export { RequestBase } from './accept/request/request-base.ts'
export { StreamRequest } from './accept/stream/stream-request.ts'
export type { StreamSettings } from './accept/stream/stream-settings.ts'
export type { SecureContextOptions, TLSOptions } from './accept/tls/tls-options.ts'
export { type Address, formatAddress, type InternetAddress, type UnixAddress } from './address.ts'
export type { WebStreams } from './bytes/web-streams.ts'
export {
  type AbortCause,
  AbortedError,
  BusyError,
  ClosedError,
  LimitExceededError,
  ListenError,
  NotListeningError,
  NotSupportedError,
  ProxyProtocolError,
  type ProxyTrouble,
  UnexpectedEOFError,
  WorkerStartError
} from './errors.ts'
export type {
  AcceptErrorEvent,
  AcceptedEvent,
  DrainEvent,
  DroppedEvent,
  EndEvent,
  ErrorEvent,
  HandshakeEvent,
  LimitEvent,
  ProxyEvent,
  RefusedEvent,
  ServerEvent,
  StartEvent,
  UndeliveredEvent,
  WorkerEvent
} from './events.ts'
export { allowAddresses, denyAddresses } from './flow/address-rules.ts'
export { drain } from './flow/drain.ts'
export { type ForkOptions, forked, forkPool } from './flow/forked.ts'
export type { FrameCodec } from './flow/frame-codec.ts'
export { type FramedOptions, framed } from './flow/framed.ts'
export { type LineCodec, type LineCodecOptions, lines } from './flow/line-codec.ts'
export { type Merging, merge } from './flow/merge.ts'
export { type ParallelOptions, parallel } from './flow/parallel.ts'
export { proxyProtocol } from './flow/proxy-protocol.ts'
export { rateLimit } from './flow/rate-limit.ts'
export { RateLimiter, type RateLimiterOptions } from './flow/rate-limiter.ts'
export { type AcquireOptions, type Permit, Semaphore, type SemaphoreOptions } from './flow/semaphore.ts'
export { sequential } from './flow/sequential.ts'
export { type ThreadsOptions, threadPool, threads } from './flow/threads.ts'
export { verify } from './flow/verify.ts'
export type { Pool } from './flow/worker/pool-face.ts'
export { BaseRequestHandler } from './handler/base.ts'
export { DatagramRequestHandler } from './handler/datagram.ts'
export type { Handler, HandlerClass, HandlerFunction } from './handler/run.ts'
export { StreamRequestHandler } from './handler/stream.ts'
export { through } from './handler/through.ts'
export type { DatagramLimits, PendingLimits, ServerLimits, StreamLimits, TLSLimits } from './limits.ts'
export type { Outcome, Runner, Settlement } from './outcome.ts'
export type { ProxyHeader, ProxySSL, ProxyTLV } from './proxy-header.ts'
export type { CloseOptions, Report, Request, RequestServer, StillOpen, Work } from './request.ts'
export type { LineOptions, LinesOptions, ReadOptions, RFile } from './rfile.ts'
export { BaseServer, type HandleRequestOptions } from './server/base.ts'
export { type ClosableServer, type CloseOnSignalOptions, closeOnSignal } from './server/close-on-signal.ts'
export type { OpenCondition } from './server/connection-watch.ts'
export {
  ForkingTCPServer,
  type ForkingTCPServerOptions,
  ForkingUDPServer,
  type ForkingUDPServerOptions,
  ForkingUnixDatagramServer,
  type ForkingUnixDatagramServerOptions,
  ForkingUnixStreamServer,
  type ForkingUnixStreamServerOptions
} from './server/forking.ts'
export { ServerHooks } from './server/hooks.ts'
export type { LimitRule, LimitRules } from './server/limit-rules.ts'
export { type ListenFd, type ListenFdsOptions, listenFds } from './server/listen-fds.ts'
export { ListenerServer } from './server/listener-server.ts'
export type {
  DatagramServerOptions,
  HostOptions,
  PathOptions,
  StreamServerOptions
} from './server/options.ts'
export { RequestHost } from './server/request-host.ts'
export type { RequestsOptions } from './server/requests.ts'
export { type RunnableServer, type RunOptions, runUntilSignal } from './server/run-until-signal.ts'
export { TCPServer, type TCPServerOptions } from './server/tcp.ts'
export {
  type ThreadingOptions,
  ThreadingTCPServer,
  type ThreadingTCPServerOptions,
  ThreadingUDPServer,
  type ThreadingUDPServerOptions,
  ThreadingUnixDatagramServer,
  type ThreadingUnixDatagramServerOptions,
  ThreadingUnixStreamServer,
  type ThreadingUnixStreamServerOptions
} from './server/threading.ts'
export { TLSServer, type TLSServerOptions } from './server/tls.ts'
export { UDPServer, type UDPServerOptions } from './server/udp.ts'
export { UnixStreamServer, type UnixStreamServerOptions } from './server/unix.ts'
export { UnixDatagramServer, type UnixDatagramServerOptions } from './server/unix-datagram.ts'
export type { SignalOptions } from './server/when-aborted.ts'
export type { Stage } from './stage.ts'
export type { DropReason, RefusalReason, ServerStats, Stats } from './stats.ts'
export type { Listener } from './transport.ts'
export type { WFile, Writable } from './wfile.ts'

/**
 * What tests of servers need: servers without sockets for tests of handlers, and kits that check a listener or a server
 * of your own against what this package expects of one. No test framework is needed, and any will do.
 *
 * @packageDocumentation
 */
export { checkDatagramListener } from './check-datagram-listener.ts'
export { checkMode } from './check-mode.ts'
export { checkServer } from './check-server.ts'
export { checkStreamListener } from './check-stream-listener.ts'
export type { DatagramClient, DatagramListenerSubject } from './datagram-subject.ts'
export type { KitOptions } from './kit.ts'
export type { AnyListenerSubject } from './listener-cases.ts'
export type { ListenerHost, MakeListener } from './listener-host.ts'
export {
  type MemoryDatagramLimits,
  MemoryDatagramListener,
  type MemoryDatagramOptions
} from './memory-datagram-listener.ts'
export { MemoryDatagramServer, type MemoryDatagramServerOptions } from './memory-datagram-server.ts'
export { MemoryListener, type MemoryListenerOptions } from './memory-listener.ts'
export type { MemoryAddressOptions, MemoryClientOptions, MemoryServerOptions } from './memory-options.ts'
export { MemoryServer } from './memory-server.ts'
export { MemoryStreamListener, type MemoryStreamOptions } from './memory-stream-listener.ts'
export type { GivenHandler, ModeSubject } from './mode-subject.ts'
export type { AnyServer, Question, ServerSubject } from './server-subject.ts'
export type { StreamListenerSubject } from './stream-subject.ts'

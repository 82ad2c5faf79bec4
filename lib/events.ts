import { channel } from 'node:diagnostics_channel'
import type { Address } from './address.ts'
import type { AbortedError, ProxyProtocolError } from './errors.ts'
import type { Outcome, Runner } from './outcome.ts'
import type { ProxyHeader } from './proxy-header.ts'
import type { Report, Request, RequestServer } from './request.ts'
import type { DropReason, RefusalReason } from './stats.ts'

/**
 * Every event, as a `node:diagnostics_channel`. Publishing costs a check where nobody listens; nothing is ever printed.
 * In a child or thread of a pool the channels are its own.
 *
 * | channel | message | when |
 * | --- | --- | --- |
 * | `it-socketserver:accepted` | {@link AcceptedEvent} | a connection or datagram was taken in |
 * | `it-socketserver:refused` | {@link RefusedEvent} | one was turned away |
 * | `it-socketserver:proxy` | {@link ProxyEvent} | a PROXY header was read, or did not come |
 * | `it-socketserver:handshake` | {@link HandshakeEvent} | a TLS handshake has ended |
 * | `it-socketserver:dropped` | {@link DroppedEvent} | a datagram did not become a request |
 * | `it-socketserver:undelivered` | {@link UndeliveredEvent} | a reply could not be sent |
 * | `it-socketserver:accept-error` | {@link AcceptErrorEvent} | taking in failed, the server goes on |
 * | `it-socketserver:start` | {@link StartEvent} | a loop or a mode has got a request |
 * | `it-socketserver:end` | {@link EndEvent} | it has ended, once for each start |
 * | `it-socketserver:error` | {@link ErrorEvent} | `handleError` has got an error |
 * | `it-socketserver:limit` | {@link LimitEvent} | a limit was reached where nothing else tells |
 * | `it-socketserver:drain` | {@link DrainEvent} | a server begins to close, and has closed |
 * | `it-socketserver:worker` | {@link WorkerEvent} | a child or thread of a pool has started, or is gone |
 *
 * @example
 * import { subscribe } from 'node:diagnostics_channel'
 * subscribe('it-socketserver:refused', (message) => {
 *   const { clientAddress, reason } = message as RefusedEvent
 *   console.warn(`refused ${formatAddress(clientAddress)}: ${reason}`)
 * })
 */

/** What every event of a server holds. */
export interface ServerEvent {
  /** The server. */
  readonly server: RequestServer
}

/** `it-socketserver:accepted` */
export interface AcceptedEvent extends ServerEvent {
  /** Where it comes from. */
  readonly clientAddress: Address | undefined
}

/** `it-socketserver:refused` */
export interface RefusedEvent extends ServerEvent {
  /** Where it comes from. */
  readonly clientAddress: Address | undefined
  /** Why; of `proxy` the {@link ProxyEvent} says more. */
  readonly reason: RefusalReason
}

/** `it-socketserver:proxy` */
export interface ProxyEvent extends ServerEvent {
  /** Where the connection itself comes from. */
  readonly proxyAddress: Address | undefined
  /** Milliseconds that it took. */
  readonly elapsed: number
  /** What it has said; left out where there was none. */
  readonly header?: ProxyHeader
  /** Why there was none. */
  readonly error?: ProxyProtocolError
}

/** `it-socketserver:handshake` */
export interface HandshakeEvent extends ServerEvent {
  /** Where the client is. */
  readonly clientAddress: Address | undefined
  /** Milliseconds that it took. */
  readonly elapsed: number
  /** Why it failed: an {@link AbortedError} whose `origin` is Node's error; left out where it succeeded. */
  readonly error?: AbortedError
}

/** `it-socketserver:dropped` */
export interface DroppedEvent extends ServerEvent {
  /** Where it comes from. */
  readonly clientAddress: Address | undefined
  /** Why. */
  readonly reason: DropReason
  /** Its size in bytes. */
  readonly bytes: number
}

/** `it-socketserver:undelivered` */
export interface UndeliveredEvent extends ServerEvent {
  /** Where it was to go. */
  readonly clientAddress: Address | undefined
  /** Why it did not. */
  readonly error: unknown
}

/**
 * `it-socketserver:accept-error`: where the machine is short of something, once, and then once a second while it lasts.
 */
export interface AcceptErrorEvent extends ServerEvent {
  /** What went wrong. */
  readonly error: unknown
  /** What was done: `wait` a while, `skip` this one, or end (`fatal`). */
  readonly verdict: 'wait' | 'skip' | 'fatal'
}

/** `it-socketserver:start` */
export interface StartEvent extends ServerEvent {
  /** The request. */
  readonly request: Request
}

/**
 * `it-socketserver:end`: of what a mode serves when the mode has done with it, of others when they have gone, which may be
 * before a mode has them, or at the deadline of a close.
 */
export interface EndEvent extends ServerEvent {
  /** How it went, and the milliseconds from its start; its request knows the bytes (`bytesIn`, `bytesOut`). */
  readonly outcome: Outcome<Request>
}

/** `it-socketserver:error` */
export interface ErrorEvent extends ServerEvent {
  /** What was thrown. */
  readonly error: unknown
  /** The request it concerns, where it concerns one. */
  readonly request: Request | undefined
}

/** `it-socketserver:limit` */
export interface LimitEvent extends ServerEvent {
  /**
   * The limit, as the option is called: `maxConnections` where newcomers wait in the kernel from now on, `lingerTimeout` and
   * `maxLingerBytes` where a peer was cut off that had its reply and did not end.
   */
  readonly limit: 'maxConnections' | 'lingerTimeout' | 'maxLingerBytes'
  /** What it is. */
  readonly value: number
  /** Whom it concerns, where it concerns one. */
  readonly clientAddress: Address | undefined
}

/** `it-socketserver:drain` */
export interface DrainEvent extends ServerEvent {
  /** How many requests it still has. */
  readonly open: number
  /** What became of them, once it has closed; left out while it begins to. */
  readonly report?: Report
}

/** `it-socketserver:worker` */
export interface WorkerEvent {
  /** The child process, or the thread (then it has a `threadId`). */
  readonly runner: Runner
  /** `start`: it was started; `ready`: it has loaded the handler; `exit`: it is gone. */
  readonly state: 'start' | 'ready' | 'exit'
  /** How it ended, in words; left out before. */
  readonly reason?: string
}

export const accepted = channel('it-socketserver:accepted')
export const refused = channel('it-socketserver:refused')
export const handshake = channel('it-socketserver:handshake')
export const proxy = channel('it-socketserver:proxy')
export const dropped = channel('it-socketserver:dropped')
export const undelivered = channel('it-socketserver:undelivered')
export const acceptError = channel('it-socketserver:accept-error')
export const requestStart = channel('it-socketserver:start')
export const requestEnd = channel('it-socketserver:end')
export const requestError = channel('it-socketserver:error')
export const limitReached = channel('it-socketserver:limit')
export const draining = channel('it-socketserver:drain')
export const workerLife = channel('it-socketserver:worker')

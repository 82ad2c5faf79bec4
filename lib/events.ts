import { channel } from 'node:diagnostics_channel'
import type { Address } from './address.ts'
import type { AbortedError } from './errors.ts'
import type { Outcome } from './outcome.ts'
import type { Request } from './request.ts'

/**
 * Every event, as a `node:diagnostics_channel`. Publishing costs a check where nobody listens; nothing is ever printed.
 *
 * | channel | message | when |
 * | --- | --- | --- |
 * | `it-socketserver:accepted` | {@link AcceptedEvent} | a connection or datagram was taken in |
 * | `it-socketserver:refused` | {@link RefusedEvent} | one was turned away |
 * | `it-socketserver:handshake` | {@link HandshakeEvent} | a TLS handshake has ended |
 * | `it-socketserver:dropped` | {@link DroppedEvent} | a datagram did not become a request |
 * | `it-socketserver:undelivered` | {@link UndeliveredEvent} | a reply could not be sent |
 * | `it-socketserver:accept-error` | {@link AcceptErrorEvent} | taking in failed, the server goes on |
 * | `it-socketserver:start` | {@link StartEvent} | the work on a request begins |
 * | `it-socketserver:end` | {@link EndEvent} | it has ended, once for each start |
 *
 * @example
 * import { subscribe } from 'node:diagnostics_channel'
 * subscribe('it-socketserver:refused', (message) => {
 *   const { clientAddress, reason } = message as RefusedEvent
 *   console.warn(`refused ${formatAddress(clientAddress)}: ${reason}`)
 * })
 */

/** `it-socketserver:accepted` */
export interface AcceptedEvent {
  /** Where it comes from. */
  readonly clientAddress: Address | undefined
}

/** `it-socketserver:refused` */
export interface RefusedEvent {
  /** Where it comes from. */
  readonly clientAddress: Address | undefined
  /**
   * `verify`: `verifyRequest`, or a stage, said no or threw; `pending`: `maxPending` waited already; `closing`: nobody took it;
   * `handshake`: its TLS handshake failed.
   */
  readonly reason: 'verify' | 'pending' | 'closing' | 'handshake'
}

/** `it-socketserver:handshake` */
export interface HandshakeEvent {
  /** Where the client is. */
  readonly clientAddress: Address | undefined
  /** Milliseconds that it took. */
  readonly elapsed: number
  /** Why it failed: an {@link AbortedError} whose `origin` is Node's error; left out where it succeeded. */
  readonly error?: AbortedError
}

/** `it-socketserver:dropped` */
export interface DroppedEvent {
  /** Where it comes from. */
  readonly clientAddress: Address | undefined
  /** `size`: larger than `maxPacketSize`; `pending`: `maxPending` waited already; `closing`: nobody took it. */
  readonly reason: 'size' | 'pending' | 'closing'
  /** Its size in bytes. */
  readonly bytes: number
}

/** `it-socketserver:undelivered` */
export interface UndeliveredEvent {
  /** Where it was to go. */
  readonly clientAddress: Address | undefined
  /** Why it did not. */
  readonly error: unknown
}

/** `it-socketserver:accept-error` */
export interface AcceptErrorEvent {
  /** What went wrong. */
  readonly error: unknown
  /** What was done: `wait` a while, `skip` this one, or end (`fatal`). */
  readonly verdict: 'wait' | 'skip' | 'fatal'
}

/** `it-socketserver:start` */
export interface StartEvent {
  /** The request. */
  readonly request: Request
}

/** `it-socketserver:end` */
export interface EndEvent {
  /** How it went. */
  readonly outcome: Outcome<Request>
}

export const accepted = channel('it-socketserver:accepted')
export const refused = channel('it-socketserver:refused')
export const handshake = channel('it-socketserver:handshake')
export const dropped = channel('it-socketserver:dropped')
export const undelivered = channel('it-socketserver:undelivered')
export const acceptError = channel('it-socketserver:accept-error')
export const requestStart = channel('it-socketserver:start')
export const requestEnd = channel('it-socketserver:end')

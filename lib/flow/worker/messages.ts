import type { HeaderRecord } from '../../accept/proxy/read-header.ts'
import type { Address } from '../../address.ts'
import type { ErrorRecord } from './error-record.ts'
import type { LimitsRecord } from './limits-record.ts'
import type { ValueRecord } from './value-record.ts'

/** Bytes that may be under way in each direction of a bridged connection before the other side has asked for more. */
export const bridgeWindow = 262_144

/** How the bytes of a request come. */
export type Carriage =
  /** A connection: its socket, or the number of its descriptor, comes along. */
  | {
      readonly by: 'socket' | 'descriptor'
      readonly fd: number
      readonly noDelay: boolean
      readonly limits: LimitsRecord
      /** Read before, and put back. */
      readonly unread: Uint8Array | undefined
    }
  /** A connection whose socket can't be passed: its bytes come by `data`, and go. */
  | {
      readonly by: 'bridge'
      /** Whether they were encrypted, and are not any more. */
      readonly decrypted: boolean
      /** Those that the worker sees to; the others are its server's, which has the connection. */
      readonly limits: LimitsRecord
    }
  /** A whole message. */
  | { readonly by: 'message'; readonly packet: Uint8Array }

/** A request for a worker. */
export interface TakeMessage {
  readonly type: 'take'
  readonly id: number
  /** Whose it is: a number for each server of the pool. */
  readonly server: number
  /** Where that listens. */
  readonly address: Address | undefined
  readonly clientAddress: Address | undefined
  /** How it came by a proxy. */
  readonly proxied?: HeaderRecord | undefined
  readonly carriage: Carriage
}

/** Bytes of a bridged connection, either way. */
export interface DataMessage {
  readonly type: 'data'
  readonly id: number
  readonly bytes: Uint8Array
}

/** A bridged connection's bytes have ended, either way. */
export interface EndMessage {
  readonly type: 'end'
  readonly id: number
}

/** Bytes of a bridged connection were taken: as many more may come. Either way. */
export interface CreditMessage {
  readonly type: 'credit'
  readonly id: number
  readonly bytes: number
}

/** What a pool says to a worker. */
export type PoolMessage =
  | TakeMessage
  /** Comes after a `take` whose socket may not have arrived. */
  | { readonly type: 'mark'; readonly id: number }
  /** The request was cut off, or closed. */
  | { readonly type: 'cut'; readonly id: number; readonly error: ErrorRecord }
  /** The server has begun to close. */
  | { readonly type: 'stopping'; readonly server: number }
  /** Answer, as a sign of life. */
  | { readonly type: 'ping' }
  /** No more will come: go when all have gone. */
  | { readonly type: 'leave' }
  | DataMessage
  | EndMessage
  | CreditMessage

/** How the work on a request went. */
export interface ReportMessage {
  readonly type: 'report'
  readonly id: number
  readonly status: 'fulfilled' | 'rejected' | 'aborted'
  readonly value: ValueRecord
  readonly error: ErrorRecord | undefined
  /** What went wrong besides. */
  readonly notes: readonly ErrorRecord[]
  /** The reply to a message. */
  readonly reply: Uint8Array | undefined
  readonly bytesIn: number
  readonly bytesOut: number
}

/** What a worker says of a request. */
export type JobMessage =
  /** It has arrived: its bytes are the worker's from now on. */
  | { readonly type: 'claim'; readonly id: number }
  /** Its socket has not arrived. */
  | { readonly type: 'missing'; readonly id: number }
  | ReportMessage
  | DataMessage
  | EndMessage
  | CreditMessage

/** What a worker says to its pool. */
export type WorkerMessage =
  | JobMessage
  /** It has loaded its module. */
  | { readonly type: 'ready' }
  /** It has not, and ends. */
  | { readonly type: 'failed'; readonly error: ErrorRecord }
  /** It dies of an error. */
  | { readonly type: 'crashed'; readonly error: ErrorRecord }
  | { readonly type: 'pong' }
  /** A handler has asked to close the server. */
  | { readonly type: 'close'; readonly server: number; readonly deadline: number | undefined }

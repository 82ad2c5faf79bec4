import type { Parcel } from '../../accept/stream/parcel.ts'
import type { Runner } from '../../outcome.ts'
import type { PoolMessage } from './messages.ts'

/** A worker, as those see it who have something to say to it. */
export interface Messenger {
  /** Its process, and its thread. */
  readonly runner: Runner
  /** How a connection is passed to it. */
  readonly passesBy: 'socket' | 'descriptor'
  /** Say something to it, with a connection. */
  send(message: PoolMessage, parcel?: Parcel): void
}

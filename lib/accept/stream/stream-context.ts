import type { ConnectionLimits, StreamLimits } from '../../limits.ts'
import type { RequestServer } from '../../request.ts'
import type { Stats } from '../../stats.ts'
import type { Occupancy } from './occupancy.ts'

/** What a connection knows of where it was accepted: one for all of a listener. */
export interface ConnectionContext {
  /** The server whose request it is. */
  readonly server: RequestServer
  /** Where it is counted. */
  readonly stats: Stats
  /** The limits, which may change while it runs. */
  readonly limits: Readonly<ConnectionLimits>
  /** TCP_NODELAY, set before it could matter. */
  readonly noDelay: boolean
  /** How many are open; left out where nobody counts them. */
  readonly occupancy?: Occupancy | undefined
}

/** What the connections of one listener share. */
export interface StreamContext extends ConnectionContext {
  readonly limits: Readonly<StreamLimits>
}

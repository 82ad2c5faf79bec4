import type { Socket } from 'node:net'
import type { ConnectionLimits } from '../../limits.ts'
import { libc } from '../native/libc.ts'
import { descriptorOf } from './descriptor-of.ts'
import { pausedSocket } from './paused-socket.ts'

/** What can be passed. */
export type Passing = 'sockets' | 'descriptors' | 'nothing'

/** Whether a socket of Node's can be. */
export function canPass(socket: Socket, passes: Passing): boolean {
  return passes === 'sockets' || (passes === 'descriptors' && descriptorOf(socket) !== undefined)
}

/**
 * A connection on its way to another process or thread. Whoever has the parcel keeps its end of the connection open until
 * it has arrived there, so that it can be sent to somebody else where it never does.
 */
export class Parcel {
  /** What was read and not used, to be put back. */
  readonly unread: Buffer
  /** Whether TCP_NODELAY is wanted. */
  readonly noDelay: boolean
  /** Its limits. */
  readonly limits: Readonly<ConnectionLimits>
  #fd: number
  #socket: Socket | undefined

  /**
   * @param connection - its descriptor, or its socket, paused and unread
   * @param unread - what was read and not used
   * @param settings - whether TCP_NODELAY is wanted, and the limits
   */
  constructor(
    connection: number | Socket,
    unread: Buffer,
    { noDelay, limits }: { readonly noDelay: boolean; readonly limits: Readonly<ConnectionLimits> }
  ) {
    this.#fd = typeof connection === 'number' ? connection : -1
    this.#socket = typeof connection === 'number' ? undefined : quiet(connection)
    this.unread = unread
    this.noDelay = noDelay
    this.limits = limits
  }

  /** The descriptor; `undefined` where Node has it. */
  get fd(): number | undefined {
    return this.#fd >= 0 ? this.#fd : undefined
  }

  /** The descriptor, whoever has it; `undefined` where that is not to be had. */
  get descriptor(): number | undefined {
    return this.fd ?? (this.#socket === undefined ? undefined : descriptorOf(this.#socket))
  }

  /** The connection as a socket of Node's, from now on. */
  get socket(): Socket {
    this.#socket ??= quiet(pausedSocket(this.#fd))
    this.#fd = -1
    return this.#socket
  }

  /** Close this end of it. Where it has arrived elsewhere it goes on there. */
  drop(): void {
    this.#socket?.destroy()
    if (this.#fd >= 0) libc().close(this.#fd)
    this.#fd = -1
  }
}

function quiet(socket: Socket): Socket {
  // Of a reset whoever reads it hears.
  socket.on('error', () => {})
  // Node would count the connections of its server in every process that one was sent to, and never get done.
  Object.assign(socket, { server: null })
  return socket
}

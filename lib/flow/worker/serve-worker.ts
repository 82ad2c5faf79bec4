import { reviveHeader } from '../../accept/proxy/read-header.ts'
import { MessageRequest } from '../../accept/request/message-request.ts'
import { StreamRequest } from '../../accept/stream/stream-request.ts'
import type { TLSOptions } from '../../accept/tls/tls-options.ts'
import { engineOf } from '../../accept/tls/upgrade.ts'
import { show } from '../../arguments.ts'
import { checkHandler, type Handler, serveRequest } from '../../handler/run.ts'
import { type Outcome, toError } from '../../outcome.ts'
import type { Request } from '../../request.ts'
import { Branch } from './branch.ts'
import { BridgeSocket } from './bridge-socket.ts'
import { recordError, reviveError } from './error-record.ts'
import { IdleWatch } from './idle-watch.ts'
import { reviveLimits } from './limits-record.ts'
import type { PoolMessage, TakeMessage, WorkerMessage } from './messages.ts'
import { PassedRequest } from './passed-request.ts'
import { recordValue } from './value-record.ts'

/** What stands for a connection: its socket, or its descriptor. */
export type Connection = ConstructorParameters<typeof StreamRequest>[0]

/** What a worker stands on. */
export interface WorkerEnds {
  /** Say something to the pool; `said` is called when it is on its way. */
  say(message: WorkerMessage, said?: () => void): void
  /**
   * The connection of a request, as it came.
   *
   * @param fd - the number of its descriptor where the pool is
   * @param handle - what came along
   * @returns nothing where it has not come
   */
  adopt(fd: number, handle: unknown): Connection | undefined
  /** All has been served: end. */
  leave(): void
  /** Nothing can be served: end. */
  fail(): void
}

interface HandlerModule {
  readonly default?: unknown
  readonly secureContext?: unknown
}

interface Guest {
  readonly request: Request
  readonly branch: Branch
  readonly bridge: BridgeSocket | undefined
  /** Whether its bytes were encrypted, and are not any more. */
  readonly decrypted: boolean
  reply: Buffer | undefined
}

/** What runs in a child process or a thread: it serves what its pool sends, by the handler of its module. */
export class ServeWorker {
  readonly #ends: WorkerEnds
  readonly #branches = new Map<number, Branch>()
  readonly #idleWatch = new IdleWatch()
  // Those whose work has not ended, by their numbers.
  readonly #guests = new Map<number, Guest>()
  // A connection lingers when its work has ended.
  #open = 0
  #handler: Handler | undefined
  #tls: TLSOptions | undefined
  #leaving = false
  // The last one of which something has come.
  #lastSeen = 0

  /** @param ends - what it stands on */
  constructor(ends: WorkerEnds) {
    this.#ends = ends
  }

  /** Load the handler. */
  async load(moduleURL: string): Promise<void> {
    try {
      const loaded = (await import(moduleURL)) as HandlerModule
      if (loaded.default === undefined) {
        throw new TypeError(
          `The module ${moduleURL} must export its handler as default: it exports ${show(Object.keys(loaded))}`
        )
      }
      checkHandler(loaded.default)
      this.#handler = loaded.default as Handler
      if (loaded.secureContext !== undefined) this.#tls = await contextOf(loaded.secureContext)
    } catch (error) {
      this.#ends.say({ type: 'failed', error: recordError(toError(error)) }, () => this.#ends.fail())
      return
    }
    this.#ends.say({ type: 'ready' })
  }

  /** The pool says something. */
  heard(message: PoolMessage, handle: unknown): void {
    switch (message.type) {
      case 'take':
        this.#take(message, handle)
        return
      case 'mark':
        if (message.id !== this.#lastSeen) this.#ends.say({ type: 'missing', id: message.id })
        return
      case 'cut':
        this.#cut(message)
        return
      case 'stopping':
        this.#branchOf(message.server).stop()
        return
      case 'ping':
        this.#ends.say({ type: 'pong' })
        return
      case 'leave':
        this.#leaving = true
        this.#leaveWhenDone()
        return
      case 'data':
        this.#guests.get(message.id)?.bridge?.data(message.bytes)
        return
      case 'end':
        this.#guests.get(message.id)?.bridge?.inputEnded()
        return
      case 'credit':
        this.#guests.get(message.id)?.bridge?.credit(message.bytes)
    }
  }

  #take(message: TakeMessage, handle: unknown): void {
    const { id } = message
    this.#lastSeen = id
    const branch = this.#branchOf(message.server)
    branch.address = message.address
    let guest: Guest | undefined
    try {
      guest = this.#guestOf(message, branch, handle)
    } catch {
      // No descriptor is left: somebody else may have one.
    }
    if (guest === undefined) {
      // Said once: where a mark follows it says it. The pool may have offered it again by then.
      if (message.carriage.by === 'socket') this.#lastSeen = 0
      else this.#ends.say({ type: 'missing', id })
      return
    }
    const { proxied } = message
    if (proxied !== undefined) (guest.request as StreamRequest).cameBy(reviveHeader(proxied))
    this.#guests.set(id, guest)
    this.#open++
    guest.request.whenClosed(() => {
      this.#open--
      this.#leaveWhenDone()
    })
    const taken = guest
    // Before anything is read: what a dead worker has not claimed, another one serves.
    this.#ends.say({ type: 'claim', id }, () => void this.#serve(id, taken))
  }

  #guestOf(message: TakeMessage, branch: Branch, handle: unknown): Guest | undefined {
    const { id, carriage, clientAddress, proxied } = message
    // Whose socket it is: the client that a proxy names has another.
    const peerAddress = proxied === undefined ? clientAddress : proxied.proxyAddress
    switch (carriage.by) {
      case 'message': {
        const guest: Guest = {
          request: new MessageRequest({
            server: branch,
            packet: Buffer.from(carriage.packet.buffer, carriage.packet.byteOffset, carriage.packet.byteLength),
            ...(clientAddress !== undefined && { clientAddress }),
            reply: (bytes) => {
              guest.reply = bytes
            }
          }),
          branch,
          bridge: undefined,
          decrypted: false,
          reply: undefined
        }
        return guest
      }
      case 'bridge': {
        const bridge = new BridgeSocket(id, (said) => this.#ends.say(said))
        const limits = reviveLimits(carriage.limits)
        const context = { server: branch, stats: branch.counters, limits, noDelay: false }
        const request = new PassedRequest(bridge as unknown as Connection, peerAddress, context)
        this.#idleWatch.watch(request, limits.idleTimeout)
        return { request, branch, bridge, decrypted: carriage.decrypted, reply: undefined }
      }
      case 'socket':
      case 'descriptor': {
        const connection = this.#ends.adopt(carriage.fd, handle)
        if (connection === undefined) return undefined
        const limits = reviveLimits(carriage.limits)
        const context = { server: branch, stats: branch.counters, limits, noDelay: carriage.noDelay }
        const request = new PassedRequest(connection, peerAddress, context)
        this.#idleWatch.watch(request, limits.idleTimeout)
        if (carriage.unread !== undefined) request.rfile.unread(carriage.unread)
        return { request, branch, bridge: undefined, decrypted: false, reply: undefined }
      }
    }
  }

  async #serve(id: number, guest: Guest): Promise<void> {
    const { request } = guest
    try {
      if (this.#tls !== undefined && !guest.decrypted && request instanceof StreamRequest) {
        await request.startTLS(this.#tls)
      }
    } catch (error) {
      // The request is aborted: the handler is not called.
      const reason = request.abortReason ?? toError(error)
      await request.close({ status: 'aborted', reason }).catch(() => {})
      this.#report(id, guest, { status: 'aborted', reason })
      return
    }
    const outcome = await serveRequest(request, this.#handler as Handler)
    if (request instanceof PassedRequest) await request.whenLetGo()
    this.#report(id, guest, outcome)
  }

  #cut({ id, error }: Extract<PoolMessage, { readonly type: 'cut' }>): void {
    const request = this.#guests.get(id)?.request
    request?.abort(reviveError(error))
    if (request instanceof PassedRequest) request.detached?.destroy()
  }

  #report(id: number, guest: Guest, outcome: ReportedOutcome): void {
    const { request, branch, reply } = guest
    const reason = outcome.status === 'fulfilled' ? undefined : outcome.reason
    this.#guests.delete(id)
    this.#ends.say({
      type: 'report',
      id,
      status: outcome.status,
      value: outcome.status === 'fulfilled' ? recordValue(outcome.value) : undefined,
      error: reason === undefined ? undefined : recordError(reason),
      notes: branch.notesOf(request, reason).map((error) => recordError(error)),
      reply,
      bytesIn: request.bytesIn,
      bytesOut: request.bytesOut
    })
    // Its pool has closed its end, and nobody sends here any more.
    guest.bridge?.inputEnded()
    // Of one that was cut off the connection may have gone before.
    this.#leaveWhenDone()
  }

  #branchOf(server: number): Branch {
    let branch = this.#branches.get(server)
    if (branch === undefined) {
      branch = new Branch({
        close: (deadline) => this.#ends.say({ type: 'close', server, deadline }),
        open: () => this.#open
      })
      this.#branches.set(server, branch)
    }
    return branch
  }

  #leaveWhenDone(): void {
    if (this.#leaving && this.#open === 0 && this.#guests.size === 0) this.#ends.leave()
  }
}

type ReportedOutcome = Pick<Outcome<Request>, 'status'> &
  (
    | { readonly status: 'fulfilled'; readonly value: unknown }
    | { readonly status: 'rejected' | 'aborted'; readonly reason: Error }
  )

async function contextOf(given: unknown): Promise<TLSOptions> {
  if (typeof given !== 'function') {
    throw new TypeError(`secureContext must be a function that returns options of TLS: got ${show(given)}`)
  }
  const options = (await (given as () => unknown)()) as TLSOptions
  // Wrong ones, or none, are found before a client comes: nobody is to be served in plain text by mistake.
  engineOf(options, 'secureContext')
  return options
}

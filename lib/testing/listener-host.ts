import type { Address } from '../address.ts'
import { mayReject } from '../iterator/deferred.ts'
import type { Request, RequestServer } from '../request.ts'
import { BaseServer } from '../server/base.ts'
import type { Stats } from '../stats.ts'
import type { Listener } from '../transport.ts'
import type { Trial } from './trial.ts'

/** What a listener is made with. */
export interface ListenerHost {
  /** The server whose requests they are. */
  readonly server: RequestServer
  /** Where they are counted. */
  readonly stats: Stats
  /** The most requests that wait to be accepted. */
  readonly maxPending: number
  /** A larger datagram is dropped. */
  readonly maxPacketSize: number
  /** Listen there, and not at a new address: where the subject says `fixedAddress`. */
  readonly address: Address | undefined
}

/** Makes a listener: a new one, at an address that nobody has, which does not listen yet. */
export type MakeListener = (host: ListenerHost) => Listener<Request> | Promise<Listener<Request>>

/** A listener under test, and what it counts. */
export interface Tested {
  readonly listener: Listener<Request>
  readonly stats: Stats
  /** The next request; it must come. */
  readonly accept: () => Promise<Request>
  /** There must be no further one. */
  readonly ended: () => Promise<void>
}

class Owner extends BaseServer {
  override handleError(): void {}
}

/** A case that parks one may fail before it awaits it. */
function awaitedLater<T>(promise: Promise<T>): Promise<T> {
  mayReject(promise)
  return promise
}

/** A listener, closed and released at the end of its case. */
export async function tested(
  trial: Trial,
  make: MakeListener,
  { maxPending = 100, maxPacketSize = Number.POSITIVE_INFINITY, address }: Partial<ListenerHost> = {}
): Promise<Tested> {
  const server = new Owner()
  const stats = server.counters
  const listener = await make({ server, stats, maxPending, maxPacketSize, address })
  trial.after(() => listener.release())
  trial.after(() => listener.discard())
  trial.after(() => listener.close())
  const next = (what: string): Promise<Request | undefined> => trial.soon(what, listener.accept())
  const accept = async (): Promise<Request> => {
    const request = await next('a request is handed over')
    if (request === undefined) throw new Error('the end came where a request should have')
    trial.after(() => request.abort())
    return request
  }
  const ended = async (): Promise<void> => {
    const request = await next('the end is handed over')
    if (request === undefined) return
    request.abort()
    throw new Error('a request was handed over where the end should have come')
  }
  return { listener, stats, accept: () => awaitedLater(accept()), ended: () => awaitedLater(ended()) }
}

/** The same, listening. */
export async function listening(trial: Trial, make: MakeListener, host?: Partial<ListenerHost>): Promise<Tested> {
  const made = await tested(trial, make, host)
  await trial.soon('listen() returns', made.listener.listen())
  return made
}

import { type Deferred, pending } from '../../iterator/deferred.ts'
import { isPromiseLike } from '../../iterator/promise-like.ts'
import type { Stats } from '../../stats.ts'
import type { Listener } from '../../transport.ts'
import { countRefused } from '../request/count-refused.ts'
import { LayeredListener } from '../stream/layered-listener.ts'
import type { StreamRequest } from '../stream/stream-request.ts'
import type { TurnedAway } from '../stream/turn-away.ts'
import { PendingHeaders } from './pending-headers.ts'
import type { ProxyPlan } from './proxy-options.ts'

/**
 * Connections that come by a proxy: their PROXY headers are read here, many at once, before anybody accepts them, and they
 * are handed out in the order in which their headers have come.
 *
 * It takes plain connections only while somebody waits for a request, and while there is room for a header: the others wait,
 * unread, with the plain listener.
 */
export class ProxyListener extends LayeredListener {
  readonly #stats: Stats
  readonly #headers: PendingHeaders
  readonly #ready: StreamRequest[] = []
  #asked: Deferred<StreamRequest | undefined> | undefined
  // Somebody is about to ask.
  #wanted = false
  #taking = false
  #pulling = false
  #plainOver = false
  #failure: { readonly error: unknown } | undefined
  #discarded = false
  #timer: NodeJS.Timeout | undefined

  /**
   * @param plain - where the connections come from; this one listens and closes it
   * @param plan - whom to trust, and the bounds
   * @param stats - where those are counted that are refused
   */
  constructor(plain: Listener<StreamRequest>, plan: ProxyPlan, stats: Stats) {
    super(plain)
    this.#stats = stats
    this.#headers = new PendingHeaders(plan, {
      read: (request) => this.#deliver(request),
      refused: (request, error) => {
        this.#refuse(request, error.reason === 'closing' ? 'closing' : 'proxy', error.message)
        this.#roomMade()
      }
    })
  }

  override get waiting(): number {
    return this.plain.waiting + this.#headers.size + this.#ready.length
  }

  override listen(): Promise<void> {
    return this.plain.listen()
  }

  override accept(): StreamRequest | undefined | Promise<StreamRequest | undefined> {
    this.#wanted = true
    this.#pull()
    this.#wanted = false
    const request = this.#ready.shift()
    if (request !== undefined) return request
    this.#asked = pending<StreamRequest | undefined>()
    const { promise } = this.#asked
    this.#endWhenDone()
    return promise
  }

  override close(): Promise<void> {
    return this.plain.close()
  }

  override discard(): void {
    this.#discarded = true
    this.plain.discard()
    this.#headers.end('the server is closing')
    for (const request of this.#ready.splice(0)) this.#refuse(request, 'closing', 'the server is closing')
  }

  get #isWanted(): boolean {
    return this.#ready.length === 0 && (this.#wanted || this.#asked !== undefined)
  }

  // A loop, not recursion: what it begins may end at once, and ask for the next.
  #pull(): void {
    if (this.#pulling) return
    this.#pulling = true
    try {
      while (this.#isWanted && !this.#taking && !this.#plainOver) {
        const { wait } = this.#headers
        if (wait > 0) {
          this.#timer ??= setTimeout(this.#roomMade, wait).unref()
          break
        }
        const taken = this.plain.accept()
        if (!isPromiseLike(taken)) this.#took(taken)
        else {
          this.#taking = true
          taken.then(this.#arrived, this.#failed)
        }
      }
    } catch (error) {
      this.#over({ error })
    }
    this.#pulling = false
  }

  readonly #arrived = (request: StreamRequest | undefined): void => {
    this.#taking = false
    this.#took(request)
    this.#pull()
  }

  readonly #failed = (error: unknown): void => {
    this.#taking = false
    this.#over({ error })
  }

  #took(request: StreamRequest | undefined): void {
    if (request === undefined) this.#over()
    else if (this.#discarded) this.#refuse(request, 'closing', 'the server is closing')
    else this.#headers.begin(request)
  }

  #deliver(request: StreamRequest): void {
    if (!request.countAddress()) {
      this.#refuse(request, 'address', 'the server has too many connections of its address')
      this.#roomMade()
      return
    }
    const asked = this.#asked
    this.#asked = undefined
    if (asked === undefined) this.#ready.push(request)
    else asked.resolve(request)
    this.#roomMade()
  }

  readonly #roomMade = (): void => {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#pull()
    this.#endWhenDone()
  }

  #over(failure?: { readonly error: unknown }): void {
    this.#plainOver = true
    this.#failure = failure
    this.#endWhenDone()
  }

  #endWhenDone(): void {
    if (!this.#plainOver || this.#headers.size > 0 || this.#asked === undefined) return
    const asked = this.#asked
    this.#asked = undefined
    if (this.#failure === undefined) asked.resolve(undefined)
    else asked.reject(this.#failure.error)
  }

  // At once, and whatever it has sent: it may be anybody.
  #refuse(request: StreamRequest, reason: TurnedAway, why: string): void {
    const { server, clientAddress } = request
    countRefused(this.#stats, { server, clientAddress, reason })
    request.refuse(why)
  }
}

/**
 * A listener behind proxies, or, without a plan, as it is.
 *
 * @param plain - the listener
 * @param plan - of the option `proxyProtocol`
 * @param stats - where those are counted that are refused
 */
export function behindProxy(
  plain: Listener<StreamRequest>,
  plan: ProxyPlan | undefined,
  stats: Stats
): Listener<StreamRequest> {
  return plan === undefined ? plain : new ProxyListener(plain, plan, stats)
}

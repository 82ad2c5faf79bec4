import { performance } from 'node:perf_hooks'
import { formatAddress } from '../../address.ts'
import { AbortedError, BusyError, ProxyProtocolError, type ProxyTrouble } from '../../errors.ts'
import { proxy } from '../../events.ts'
import { toError } from '../../outcome.ts'
import type { StreamRequest } from '../stream/stream-request.ts'
import { HeaderParser } from './header-parser.ts'
import type { ProxyPlan } from './proxy-options.ts'
import { readHeader } from './read-header.ts'

/** Who has the connections before and afterwards. */
export interface PendingHeadersEnds {
  /** The header of a connection was read: it is yours again. */
  readonly read: (request: StreamRequest) => void
  /** There was none that counts: refuse it. */
  readonly refused: (request: StreamRequest, error: ProxyProtocolError) => void
}

interface Pending {
  readonly request: StreamRequest
  readonly parser: HeaderParser
  /** By `performance.now()`. */
  readonly begun: number
}

// At the bound, a connection that has had this long makes room for somebody new. Honest proxies send the header at once.
const protectedFor = 1_000

/** The connections whose PROXY header is awaited. */
export class PendingHeaders {
  readonly #plan: ProxyPlan
  readonly #ends: PendingHeadersEnds
  // In the order in which they began, which is that in which their time is up.
  readonly #pending = new Set<Pending>()
  #timer: NodeJS.Timeout | undefined

  constructor(plan: ProxyPlan, ends: PendingHeadersEnds) {
    this.#plan = plan
    this.#ends = ends
  }

  /** How many there are. */
  get size(): number {
    return this.#pending.size
  }

  /** Milliseconds before another may begin, where none of them ends before; 0 where there is room. */
  get wait(): number {
    const [oldest] = this.#pending
    if (oldest === undefined || this.#pending.size < this.#plan.maxConcurrent) return 0
    return Math.max(0, Math.ceil(oldest.begun + protectedFor - performance.now()))
  }

  /** One more, to be read or refused: perhaps at once. Where there is no room the oldest goes. */
  begin(request: StreamRequest): void {
    const { maxConcurrent, maxHeaderLength, trust } = this.#plan
    const pending = { request, parser: new HeaderParser(maxHeaderLength), begun: performance.now() }
    const { clientAddress } = request
    if (!trust.has(clientAddress)) {
      // Only one who has reset the connection has no address.
      if (clientAddress === undefined) this.#refuse(pending, trouble('peer-gone', 'the peer is gone'))
      else this.#refuse(pending, trouble('untrusted', `${formatAddress(clientAddress)} is not trusted`))
      return
    }
    const [oldest] = this.#pending
    if (oldest !== undefined && this.#pending.size >= maxConcurrent) {
      this.#fail(oldest, trouble('room', `it had to make room (maxConcurrent is ${maxConcurrent})`))
    }
    this.#pending.add(pending)
    request.readPreface(pending.parser, (how) => this.#ended(pending, how))
    this.#watch()
  }

  /** Refuse them all. */
  end(why: string): void {
    for (const pending of this.#pending) this.#fail(pending, trouble('closing', why))
  }

  #ended(pending: Pending, how: 'read' | 'ended' | Error): void {
    if (!this.#pending.has(pending)) return
    if (how === 'read') this.#read(pending)
    else this.#fail(pending, explained(how))
  }

  #read(pending: Pending): void {
    const { request, parser, begun } = pending
    this.#leave(pending)
    const { server, clientAddress: proxyAddress } = request
    const read = readHeader(parser, proxyAddress)
    request.cameBy(read)
    if (proxy.hasSubscribers) {
      proxy.publish({ server, proxyAddress, elapsed: performance.now() - begun, header: read.header })
    }
    this.#ends.read(request)
  }

  #fail(pending: Pending, error: ProxyProtocolError): void {
    this.#leave(pending)
    this.#refuse(pending, error)
  }

  #refuse({ request, begun }: Pending, error: ProxyProtocolError): void {
    const { server, clientAddress: proxyAddress } = request
    if (proxy.hasSubscribers) proxy.publish({ server, proxyAddress, elapsed: performance.now() - begun, error })
    this.#ends.refused(request, error)
  }

  #leave(pending: Pending): void {
    this.#pending.delete(pending)
    if (this.#pending.size > 0) return
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  // One timer for all: the oldest is the first whose time is up.
  #watch(): void {
    const { timeout } = this.#plan
    const [oldest] = this.#pending
    if (oldest === undefined || this.#timer !== undefined || timeout === Number.POSITIVE_INFINITY) return
    const left = Math.max(1, Math.ceil(oldest.begun + timeout - performance.now()))
    this.#timer = setTimeout(this.#expire, left).unref()
  }

  readonly #expire = (): void => {
    const { timeout } = this.#plan
    const until = performance.now() - timeout
    this.#timer = undefined
    for (const pending of this.#pending) {
      if (pending.begun > until) break
      this.#fail(pending, trouble('timeout', `it did not come within ${timeout} ms`))
    }
    this.#watch()
  }
}

function trouble(reason: ProxyTrouble, why: string, cause?: unknown): ProxyProtocolError {
  return new ProxyProtocolError(`Cannot read the PROXY header: ${why}`, reason, cause)
}

function explained(how: 'ended' | Error): ProxyProtocolError {
  if (how === 'ended') return trouble('peer-gone', 'the peer has ended before')
  if (how instanceof ProxyProtocolError) return how
  if (how instanceof BusyError) return trouble('busy', how.message, how)
  if (how instanceof AbortedError && how.cause !== 'peer-gone') {
    return trouble('closing', `the request was aborted (${how.cause})`, how)
  }
  const { code, message } = toError(how instanceof AbortedError ? how.origin : how) as NodeJS.ErrnoException
  return trouble('peer-gone', `the peer is gone (${code ?? message})`, how)
}

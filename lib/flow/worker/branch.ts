import { setMaxListeners } from 'node:events'
import type { Address } from '../../address.ts'
import { known, milliseconds } from '../../arguments.ts'
import { NotSupportedError } from '../../errors.ts'
import { toError } from '../../outcome.ts'
import type { CloseOptions, Report, Request, RequestServer, Work } from '../../request.ts'
import { copyOf, type ServerStats, type Stats, zeroStats } from '../../stats.ts'

/** What a {@link Branch} stands on. */
export interface BranchHost {
  /** Close the server. */
  close(deadline: number | undefined): void
  /** How many of its requests are here. */
  open(): number
}

/** What stands for the server in a worker: `request.server`, there. */
export class Branch implements RequestServer {
  /** Where the server listens; of one that closes a worker may hear before it gets a request. */
  address: Address | undefined
  /** What is counted here, as it is counted. */
  readonly counters: Stats = zeroStats()
  readonly #host: BranchHost
  readonly #stopping = new AbortController()
  readonly #notes = new WeakMap<Request, Error[]>()

  /** @param host - what it stands on */
  constructor(host: BranchHost) {
    this.#host = host
    setMaxListeners(0, this.#stopping.signal)
  }

  get stopping(): AbortSignal {
    return this.#stopping.signal
  }

  /** The server has begun to close. */
  stop(): void {
    this.#stopping.abort()
  }

  /** What has been counted here; the server counts for itself. */
  stats(): ServerStats {
    return { ...copyOf(this.counters), open: this.#host.open(), waiting: 0 }
  }

  /** Tell the server to close. Of what becomes of it there is nothing to be heard here. */
  close(options: CloseOptions = {}): Promise<Report> {
    known('close', options, ['deadline', 'signal'])
    const { deadline, signal } = options
    milliseconds('deadline', deadline, 0)
    if (signal?.aborted === true) this.#host.close(0)
    else {
      signal?.addEventListener('abort', () => this.#host.close(0), { once: true })
      this.#host.close(deadline)
    }
    const report = Promise.reject<Report>(
      new NotSupportedError('Cannot wait for the close of the server in a worker: it waits for the worker')
    )
    report.catch(() => {})
    return report
  }

  async processRequest(request: Request, work: Work): Promise<void> {
    await this.finishRequest(request, work)
  }

  finishRequest(_request: Request, work: Work): Promise<unknown> {
    return work.run()
  }

  closeRequest(request: Request, outcome: Parameters<Request['close']>[0]): Promise<void> {
    return request.close(outcome)
  }

  /** Nothing: the server's own hook hears of it. */
  handleError(): void {}

  workEnded(): void {}

  letGo(): void {}

  async noteError(error: unknown, request?: Request): Promise<void> {
    if (request === undefined) return
    const notes = this.#notes.get(request)
    if (notes === undefined) this.#notes.set(request, [toError(error)])
    else notes.push(toError(error))
  }

  /** What went wrong with a request, besides its outcome. */
  notesOf(request: Request, reason: Error | undefined): Error[] {
    return (this.#notes.get(request) ?? []).filter((error) => error !== reason)
  }
}

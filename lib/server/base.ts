import { setMaxListeners } from 'node:events'
import { flag, known, milliseconds } from '../arguments.ts'
import { ClosedError } from '../errors.ts'
import { sequential } from '../flow/sequential.ts'
import { admit } from '../flow/verify.ts'
import { refuseRequest } from '../handler/refuse.ts'
import { checkHandler, checkRequest, type Handler, serveRequest } from '../handler/run.ts'
import { deferred } from '../iterator/deferred.ts'
import { HandOff } from '../iterator/hand-off.ts'
import { turn } from '../iterator/turn.ts'
import type { Outcome } from '../outcome.ts'
import type { CloseOptions, Report, Request, RequestServer } from '../request.ts'
import type { Stage } from '../stage.ts'
import { serverRules } from './limit-rules.ts'
import { checkStage, outcomesOf } from './outcomes.ts'
import { RequestHost } from './request-host.ts'
import { Requests, type RequestsOptions } from './requests.ts'
import { servedOut } from './served-out.ts'
import { advance, type State } from './state.ts'
import { Deadline, stop } from './stop.ts'
import { type SignalOptions, signalOption, whenAborted } from './when-aborted.ts'

const defaultDeadline = 15_000

/** How {@link BaseServer.handleRequest} waits. */
export interface HandleRequestOptions {
  /** Milliseconds to wait for a request; then `handleTimeout` is called. `Infinity` by default. */
  readonly timeout?: number
}

/**
 * A server of anything: an async iterable of requests that come from {@link ServerHooks.getRequest}. It knows no sockets:
 * a row of a table, a message of a broker, whatever `getRequest` returns is served by the same handlers and modes.
 *
 * A loop takes requests; several share them. Leaving one early closes the server. Iterating a new server makes it listen.
 *
 * Resources: nothing is pulled before somebody asks for it.
 * Errors: what goes wrong with one request goes to `handleError` and into its outcome; a loop throws only where
 * `getRequest` throws, and the server closes then.
 * Stopping: `close()`, or leaving a loop; every parked loop ends, whether or not `getRequest` answers.
 * Python: `BaseServer`.
 *
 * @example
 * class Rows extends BaseServer<MessageRequest> {
 *   rows = ['one', 'two']
 *   override getRequest () {
 *     const packet = this.rows.shift()
 *     return packet === undefined ? undefined : new MessageRequest({ server: this, packet })
 *   }
 * }
 * const seen: string[] = []
 * for await (const row of new Rows()) {
 *   seen.push(row.packet.toString())
 *   await row.close()
 * }
 * assert.deepEqual(seen, ['one', 'two'])
 */
export class BaseServer<R extends Request = Request>
  extends RequestHost<R>
  implements RequestServer, AsyncIterable<R>, AsyncDisposable
{
  /** Who serves where no stage is given. Python: `RequestHandlerClass`. */
  readonly handler: Handler<R> | undefined
  readonly #stopping = new AbortController()
  readonly #intake = new AbortController()
  readonly #closed = deferred<Report>()
  readonly #deadline = new Deadline()
  readonly #handOff: HandOff<R>
  #state: State = { at: 'new' }
  // Verified for a loop that was left meanwhile.
  readonly #admitted = new WeakSet<R>()
  #loops = 0
  #suspended = false
  #doorShut: Promise<void> | undefined
  #released = false

  /**
   * @param options - `requestTimeout`; those of the subclasses are checked there
   * @param handler - who serves in `serveForever()` and `handleRequest()` where they are given nobody else
   */
  constructor(options: object = {}, handler?: Handler<R>) {
    super(options)
    if (new.target === BaseServer) known('BaseServer', options, Object.keys(serverRules))
    if (handler !== undefined) checkHandler(handler)
    this.handler = handler
    // As many listen as like.
    setMaxListeners(0, this.#stopping.signal)
    this.#handOff = new HandOff<R>({
      pull: () => this.getRequest(this.#intake.signal),
      arrived: (request) => {
        checkRequest('getRequest must return a request (a MessageRequest, say) or undefined', request)
        this.requestArrived(request)
        this.take(request)
      },
      isHeld: () => this.holdsBack,
      isEnd: (error) => this.#isEnd(error),
      refuse: (request) => void refuseRequest(request, 'closing')
    })
  }

  /** Aborts when the server begins to close. */
  get stopping(): AbortSignal {
    return this.#stopping.signal
  }

  /** Settles when the server has closed, however that came about. */
  override get closed(): Promise<Report> {
    return this.#closed.promise
  }

  /** @internal */
  protected get holdsBack(): boolean {
    return this.#suspended && !this.#isClosing && this.waiting === 0
  }

  /** Requests that were taken in and that no loop has got. */
  protected override get queued(): number {
    return this.waiting + this.#handOff.kept
  }

  /**
   * Bind and begin to take requests in: calls `serverBind` and `serverActivate`. Safe to call twice.
   *
   * @param options - a signal that closes the server
   * @returns the server
   * @throws {@link ListenError} where it cannot listen; the server is closed then
   * @throws {@link ClosedError} after the close; the signal's reason where that came first
   */
  async listen(options: SignalOptions = {}): Promise<this> {
    const signal = this.#closedBy('listen', options)
    try {
      await this.#ready()
    } catch (error) {
      if (error instanceof ClosedError) signal?.throwIfAborted()
      throw error
    }
    return this
  }

  /** The requests, one by one; the server is closed when the loop is left. */
  [Symbol.asyncIterator](): AsyncIterableIterator<R> {
    return this.requests()
  }

  /**
   * The requests, one by one. Whoever gets one closes it.
   *
   * @param options - whether leaving the loop closes the server
   *
   * @example
   * const server = await new TCPServer({ host: '127.0.0.1', port: 0 }).listen()
   * const answers = [exchange(server.address, 'a'), exchange(server.address, 'b')]
   * for (let i = 0; i < 2; i++) {
   *   for await (const request of server.requests({ closeOnReturn: false })) {
   *     await pipe(request, request)
   *     break
   *   }
   * }
   * assert.deepEqual((await Promise.all(answers)).sort(), ['a', 'b'])
   * await server.close()
   */
  requests(options: RequestsOptions = {}): AsyncIterableIterator<R> {
    known('requests', options, ['closeOnReturn'])
    return new Requests<R>(
      {
        ready: () => (this.#state.at === 'new' || this.#state.at === 'binding' ? this.#tryReady() : undefined),
        giveBack: (request) => {
          this.#admitted.add(request)
          this.#handOff.giveBack(request)
        },
        handOff: this.#handOff,
        admit: (request) => this.#admit(request),
        begin: (request) => this.guests.begin(request),
        abandon: () => this.#abandon(),
        looping: (by) => this.#looping(by)
      },
      flag('closeOnReturn', options.closeOnReturn, true)
    )
  }

  /**
   * Serve exactly one request; refused ones don't count.
   *
   * @param handler - who serves it; the server's own by default
   * @param options - how long to wait
   * @returns how it went, or `undefined` where none came
   *
   * @example
   * const server = await new TCPServer({ host: '127.0.0.1', port: 0 }).listen()
   * const nobody = await server.handleRequest((request) => pipe(request, request), { timeout: 1 })
   * assert.equal(nobody, undefined)
   * await server.close()
   */
  async handleRequest<V>(
    handler: Handler<R, V> | undefined = this.handler as Handler<R, V> | undefined,
    options: HandleRequestOptions = {}
  ): Promise<Outcome<R, Awaited<V>> | undefined> {
    if (handler === undefined)
      throw new TypeError('Cannot handle a request: neither handleRequest() nor the server was given a handler')
    checkHandler(handler)
    known('handleRequest', options, ['timeout'])
    const timeout = milliseconds('timeout', options.timeout, Number.POSITIVE_INFINITY)
    if (!(await this.#tryReady())) return undefined
    const owner = {}
    let late = false
    const timer =
      timeout === Number.POSITIVE_INFINITY
        ? undefined
        : setTimeout(() => {
            late = true
            this.#handOff.release(owner)
          }, timeout)
    let request: R | undefined
    this.#looping(1)
    try {
      while (!late && request === undefined) {
        const result = await this.#handOff.next(owner)
        if (result.done === true) break
        if (await this.#admit(result.value)) request = result.value
      }
    } catch (error) {
      await this.#abandon()
      throw error
    } finally {
      clearTimeout(timer)
      this.#looping(-1)
    }
    if (request !== undefined) return serveRequest(request, handler)
    if (late) await this.handleTimeout()
    return undefined
  }

  /**
   * Serve until the server is closed; a handler that goes on when it was cut off is not waited for.
   *
   * @param stage - how: `parallel(…)`, `sequential(…)` or a stage of yours; by default {@link BaseServer.stage}
   * @param options - a signal that closes the server
   * @returns the report of the close
   *
   * @example
   * const server = await new TCPServer({ host: '127.0.0.1', port: 0 }, (request) => pipe(request, request)).listen()
   * const serving = server.serveForever()
   * assert.equal(await exchange(server.address, 'ping'), 'ping')
   * await server.close()
   * assert.equal((await serving).aborted, 0)
   */
  async serveForever(stage: Stage<R, unknown> = this.stage(), options: SignalOptions = {}): Promise<Report> {
    checkStage(stage)
    if (this.#closedBy('serveForever', options)?.aborted === true) return this.closed
    if (!(await this.#tryReady())) return this.closed
    return servedOut({
      outcomes: () => outcomesOf(stage, this),
      over: () => this.#abandon(),
      closed: this.closed
    })
  }

  /** The mode of `serveForever()`: one request at a time here; a subclass may say otherwise. */
  stage(): Stage<R, Outcome<R>> {
    if (this.handler === undefined) {
      throw new TypeError('Cannot serve: neither serveForever() nor the server was given a handler')
    }
    return sequential(this.handler)
  }

  /**
   * Close: nobody new comes in, those who wait are served by the loops that run (refused where none does), those inside
   * are told by `request.stopping`, and cut off at the deadline. Safe to call at any time, and twice. In a handler don't
   * await it: the close waits for the handler.
   *
   * Python: `shutdown` and `server_close`.
   *
   * @param options - the deadline, and a signal that brings it at once
   * @returns what became of them
   */
  close(options: CloseOptions = {}): Promise<Report> {
    known('close', options, ['deadline', 'signal'])
    const signal = signalOption(options.signal)
    const deadline = milliseconds('deadline', options.deadline, defaultDeadline)
    this.#beginClose()
    if (this.#state.at === 'closing') {
      if (this.#loops === 0) this.#clearQueue()
      if (deadline !== Number.POSITIVE_INFINITY) this.#deadline.within(deadline)
      whenAborted(signal, this.closed, () => this.#deadline.within(0))
    }
    return this.closed
  }

  /** Whether `suspend()` was called, and `resume()` was not. */
  get suspended(): boolean {
    return this.#suspended
  }

  /**
   * Take nobody new in for a while, and keep the address. Those inside, and those who have been taken in, are served.
   * Newcomers wait in the kernel's backlog (datagrams in its buffer), or, by Node's own sockets, are refused with the reason
   * `suspended`. It may be called before `listen()`; once the server closes, it does nothing.
   *
   * @example
   * const server = await new TCPServer({ port: 0 }, (request) => pipe(request, request)).listen()
   * const serving = server.serveForever()
   * server.suspend()
   * await server.waitForConnections((open) => open === 0)
   * server.resume()
   * assert.equal(await exchange(server.address, 'ping'), 'ping')
   * await server.close()
   * await serving
   */
  suspend(): void {
    if (this.#suspended || this.#isClosing) return
    this.#suspended = true
    this.serverSuspend()
  }

  /** Take in again. */
  resume(): void {
    if (!this.#suspended || this.#isClosing) return
    this.#suspended = false
    this.serverResume()
    this.#handOff.goOn()
  }

  /** Close, with the default deadline. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #ready(): Promise<void> {
    const state = this.#state
    if (state.at === 'binding') return state.ready
    if (state.at === 'listening') return Promise.resolve()
    if (this.#isClosing) return Promise.reject(new ClosedError(`Cannot listen: the server is ${state.at}`))
    const ready = this.#bind()
    this.#state = advance(state, { at: 'binding', ready })
    return ready
  }

  /** Whether it listens now; false where it was closed meanwhile: nobody will come, and nothing went wrong. */
  async #tryReady(): Promise<boolean> {
    if (this.#isClosing) throw new ClosedError(`Cannot serve: the server is ${this.#state.at}`)
    try {
      await this.#ready()
    } catch (error) {
      if (error instanceof ClosedError) return false
      throw error
    }
    return true
  }

  async #bind(): Promise<void> {
    // A turn later, so that the state is 'binding' whatever the hooks do.
    await undefined
    try {
      await this.serverBind()
      if (this.#state.at !== 'binding') throw new ClosedError('Cannot listen: the server was closed meanwhile')
      await this.serverActivate()
    } catch (error) {
      if (this.#state.at === 'binding') {
        this.#beginClose(true)
        await this.closed
      }
      throw error
    }
    if (this.#state.at !== 'binding') throw new ClosedError('Cannot listen: the server was closed meanwhile')
    this.#state = advance(this.#state, { at: 'listening' })
  }

  get #isClosing(): boolean {
    return this.#stopping.signal.aborted
  }

  /** The signal of options, which closes the server from now on. */
  #closedBy(what: string, options: SignalOptions): AbortSignal | undefined {
    known(what, options, ['signal'])
    const signal = signalOption(options.signal)
    whenAborted(signal, this.closed, () => void this.close())
    return signal
  }

  #admit(request: R): boolean | Promise<boolean> {
    return this.#admitted.has(request) || admit(request, (guest) => this.verifyRequest(guest))
  }

  /** Nobody takes requests any more: those who wait are refused, those inside may finish. */
  async #abandon(): Promise<void> {
    this.#beginClose()
    if (this.#state.at !== 'closing') return
    this.#clearQueue()
    await this.#doorShut
  }

  #beginClose(bindFailed = false): void {
    const from = this.#state
    if (this.#isClosing) return
    this.#state = advance(from, { at: 'closing' })
    this.#stopping.abort()
    const bound = from.at === 'binding' && !bindFailed ? from.ready : Promise.resolve()
    this.#doorShut = this.#shutDoor(bound)
    void stop(
      {
        server: this,
        guests: this.guests,
        counters: this.counters,
        queueEmpty: this.#handOff.whenEnded,
        shutDoor: () => this.#doorShut as Promise<void>,
        clearQueue: () => this.#clearQueue(),
        release: () => {
          this.#released = true
          return this.#quietly(() => this.serverRelease())
        }
      },
      this.#deadline
    ).then((report) => {
      this.#state = advance(this.#state, { at: 'closed' })
      this.#closed.resolve(report)
    })
  }

  async #shutDoor(bound: Promise<void>): Promise<void> {
    await bound.catch(() => {})
    await this.#quietly(() => this.serverClose())
    this.#intake.abort()
    // What has come to wait while the server was suspended is handed over now.
    if (this.waiting > 0) this.#handOff.goOn()
    // A request that is just being handed over arrives within this turn.
    await turn()
    // Where nothing waits there is nothing to hand over, whether or not getRequest answers. What the door has let in last
    // is nobody's where no loop runs.
    if (this.waiting === 0 || this.#loops === 0) this.#clearQueue()
    // The deadline did not wait for the door: what was bound after the release is given back too.
    if (this.#released) await this.#quietly(() => this.serverRelease())
  }

  #looping(by: 1 | -1): void {
    this.#loops += by
    // Nobody is left to serve those who wait.
    if (this.#loops === 0 && this.#state.at === 'closing') this.#clearQueue()
  }

  /** A getRequest that answers the abort of its signal by an error has ended, and not failed. */
  #isEnd(error: unknown): boolean {
    const { signal } = this.#intake
    if (!signal.aborted) return false
    if (error !== signal.reason && (error as Error | undefined)?.name !== 'AbortError') void this.noteError(error)
    return true
  }

  #clearQueue(): void {
    try {
      this.serverDiscard()
    } catch (error) {
      void this.noteError(error)
    }
    this.#handOff.end()
  }

  /** A hook that throws while the server closes is noted; the close goes on. */
  async #quietly(hook: () => void | Promise<void>): Promise<void> {
    try {
      await hook()
    } catch (error) {
      await this.noteError(error)
    }
  }
}

import { getEventListeners, once } from 'node:events'
import {
  ClosedError,
  parallel,
  type Report,
  type Request,
  type StreamRequest,
  sequential,
  verify
} from '../../lib/index.ts'
import { type Deferred, deferred } from '../../lib/iterator/deferred.ts'
import { turns } from '../support/turns.ts'
import { holds, Ledger, same } from './life-ledger.ts'
import type { Action, Deadline, Loop, Plan } from './life-plan.ts'
import type { Subject, Visitor } from './life-subjects.ts'

// What has not come by then never will.
const patience = 5_000

/** Something that must come, or an error that says what did not. */
async function soon<T>(what: string, promise: PromiseLike<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`this did not come true: ${what}`)), patience)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

const forever = Number.POSITIVE_INFINITY

/** One life of a server: what is done to it, what must hold meanwhile, and what must be over when it has closed. */
export class Life {
  readonly #subject: Subject
  readonly #plans: readonly Plan[]
  readonly #ledger: Ledger
  readonly #visitors: Visitor[] = []
  readonly #detached: { destroy(): unknown }[] = []
  readonly #iterators: AsyncIterator<Request>[] = []
  readonly #pending: { readonly what: string; readonly promise: Promise<unknown> }[] = []
  readonly #reports: Promise<Report>[] = []
  readonly #master = new AbortController()
  #gate: Deferred<void> = deferred()
  readonly #over: Deferred<void> = deferred()
  #served = 0
  #closing = false
  #suspended = false
  readonly #errors: unknown[] = []

  constructor(subject: Subject, plans: readonly Plan[]) {
    this.#subject = subject
    this.#plans = plans
    this.#ledger = new Ledger(subject.server)
    const { server } = subject
    server.handleError = (error: unknown) => void this.#errors.push(error)
    server.verifyRequest = (request) => {
      this.#ledger.verified(request)
      return this.#verdict()
    }
    void server.closed.then(() => {
      this.#closing = true
    })
  }

  /** Do one thing, and look whether all holds that must. */
  async act(action: Action): Promise<void> {
    await this.#do(action)
    await turns(action.turns)
    this.#look()
  }

  /** Close it, whatever state it is in, and look whether all is over. */
  async end(deadline: number): Promise<void> {
    const { server } = this.#subject
    this.#close({ deadline })
    const report = await soon('the server closes at its deadline', server.closed)
    this.#ledger.closed(report)
    for (const one of this.#reports) holds('every close tells the same report', (await one) === report)
    for (const { request } of report.stillOpen) holds('who was cut off knows', request.signal.aborted)
    // Those are nobody's business but of who has detached them.
    for (const socket of this.#detached) socket.destroy()
    await soon('every client sees its end', Promise.all(this.#visitors.map(({ over }) => over)))
    // Handlers that heeded nothing come to their end now.
    this.#over.resolve()
    this.#gate.resolve()
    for (const { what, promise } of this.#pending) await soon(`${what} ends`, promise)
    this.#ledger.closed(report)
    same('the listeners on the signal', getEventListeners(this.#master.signal, 'abort').length, 0)
    const again = await server.listen().catch((error: unknown) => error)
    holds('a closed server listens no more', again instanceof ClosedError)
    same('the next of a closed server', await server.requests().next(), { done: true })
  }

  [Symbol.dispose](): void {
    this.#over.resolve()
    this.#gate.resolve()
    this.#subject.end()
    for (const socket of this.#detached) socket.destroy()
    this.#ledger[Symbol.dispose]()
  }

  async #do(action: Action): Promise<void> {
    const { server } = this.#subject
    switch (action.does) {
      case 'listen':
        this.#wait('listen()', server.listen(action.signal ? { signal: this.#master.signal } : {}))
        break
      case 'loop':
        this.#loop(action.loop, action.limit)
        break
      case 'break':
        void this.#iterators[action.which % (this.#iterators.length || 1)]?.return?.()
        break
      case 'visit':
        await this.#visit(action.packet, action.ends)
        break
      case 'leave':
        this.#visitors[action.which % (this.#visitors.length || 1)]?.leave(action.how)
        break
      case 'finish': {
        const gate = this.#gate
        this.#gate = deferred()
        gate.resolve()
        break
      }
      case 'suspend':
        server.suspend()
        this.#suspended ||= !this.#closing
        break
      case 'resume':
        server.resume()
        if (!this.#closing) this.#suspended = false
        break
      case 'limit':
        for (const name of this.#subject.knows) server.setLimits({ [name]: action.limits[name] })
        break
      case 'watch':
        this.#wait(
          'waitForConnections()',
          server.waitForConnections((open) => open === action.open)
        )
        break
      case 'close':
        this.#close(action.deadline)
        break
      case 'abort':
        this.#master.abort()
    }
  }

  #look(): void {
    const { server } = this.#subject
    this.#ledger.look()
    if (this.#closing) same('stopping', server.stopping.aborted, true)
    if (!server.stopping.aborted) same('suspended', server.suspended, this.#suspended)
  }

  /** Await it at the end; that it was closed is no failure, nor is an abort. */
  #wait(what: string, promise: Promise<unknown>): void {
    const { signal } = this.#master
    const fine = promise.catch((error: unknown) => {
      if (error instanceof ClosedError || (signal.aborted && error === signal.reason)) return
      throw error
    })
    fine.catch(() => {})
    this.#pending.push({ what, promise: fine })
  }

  #close(given: Deadline | { readonly deadline: number }): void {
    const { server } = this.#subject
    const signal = 'signal' in given && given.signal ? { signal: this.#master.signal } : {}
    this.#closing = true
    this.#reports.push(server.close({ deadline: given.deadline, ...signal }))
    same('stopping, once close() was called', server.stopping.aborted, true)
  }

  async #visit(packet: string, ends: boolean): Promise<void> {
    const visitor = ((): Visitor | undefined => {
      try {
        return this.#subject.visit(packet)
      } catch {
        // It has no address yet.
        return undefined
      }
    })()
    if (visitor === undefined) return
    this.#visitors.push(visitor)
    await soon('a client is told of', visitor.sent)
    if (ends) visitor.leave('end')
  }

  #loop(loop: Loop, limit: number): void {
    const { server } = this.#subject
    const handler = (request: Request): Promise<void> => this.#serve(request)
    const source = server as AsyncIterable<Request>
    switch (loop) {
      case 'bare':
      case 'bare, to come back':
      case 'bare, many at once': {
        const iterator = server.requests({ closeOnReturn: loop !== 'bare, to come back' })
        this.#iterators.push(iterator)
        this.#wait('a bare loop', this.#bare(iterator, loop === 'bare, many at once'))
        break
      }
      case 'sequential':
      case 'parallel': {
        const stage = loop === 'sequential' ? sequential(handler) : parallel(handler, { limit })
        const outcomes = stage(source)[Symbol.asyncIterator]() as AsyncIterator<never>
        this.#iterators.push(outcomes)
        this.#wait(`a loop over ${loop}`, this.#all(outcomes))
        break
      }
      case 'forever':
        this.#wait('serveForever()', server.serveForever(parallel(handler, { limit }), { signal: this.#master.signal }))
        break
      case 'verified': {
        const stage = parallel(handler, { limit })
        const verified = verify(() => this.#verdict())
        this.#wait(
          'serveForever() with verify()',
          server.serveForever((all) => stage(verified(all)))
        )
        break
      }
      case 'one':
      case 'one, in time':
        this.#wait('handleRequest()', server.handleRequest(handler, { timeout: loop === 'one' ? forever : 1 }))
    }
  }

  async #all(iterator: AsyncIterator<unknown>): Promise<void> {
    while (!(await iterator.next()).done);
  }

  async #bare(iterator: AsyncIterator<Request>, manyAtOnce: boolean): Promise<void> {
    const inside: Promise<void>[] = []
    for (;;) {
      const { done, value } = await iterator.next()
      if (done) break
      this.#ledger.bare.add(value)
      const served = this.#serve(value)
        .catch(() => {})
        .then(() => value.close())
        .catch(() => {})
      inside.push(served)
      if (!manyAtOnce) await served
    }
    await Promise.all(inside)
  }

  #verdict(): boolean | Promise<boolean> {
    const plan = this.#plans[this.#served % this.#plans.length]
    if (plan === 'refused') this.#served++
    if (plan !== 'refused late') return plan !== 'refused'
    this.#served++
    return turns().then(() => false)
  }

  async #serve(request: Request): Promise<void> {
    const { server } = this.#subject
    this.#ledger.handled.add(request)
    const plan = this.#plans[this.#served++ % this.#plans.length] as Plan
    switch (plan) {
      case 'answers':
        await request.wfile.write('an answer')
        break
      case 'echoes':
        await request.wfile.write(await request.rfile.readAll())
        break
      case 'waits':
        await this.#gate.promise
        await request.wfile.write('late')
        break
      case 'never ends':
        await this.#over.promise
        break
      case 'heeds its signal':
        if (!request.signal.aborted) await Promise.race([once(request.signal, 'abort'), this.#over.promise])
        request.signal.throwIfAborted()
        break
      case 'says goodbye':
        if (!request.stopping.aborted) await Promise.race([once(request.stopping, 'abort'), this.#over.promise])
        await request.wfile.write('goodbye')
        break
      case 'throws':
        throw new Error('as planned')
      case 'aborts':
        request.abort()
        break
      case 'detaches':
        if (this.#subject.connections) this.#detached.push((request as StreamRequest).detach())
        break
      case 'closes the server':
        this.#close({ deadline: 10_000 })
        break
      case 'suspends the server':
        server.suspend()
        this.#suspended ||= !server.stopping.aborted
        break
      case 'resumes the server':
        server.resume()
        if (!server.stopping.aborted) this.#suspended = false
        break
      default:
        await request.wfile.end()
    }
  }
}

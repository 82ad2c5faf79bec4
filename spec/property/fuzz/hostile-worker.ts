import { vi } from 'vitest'
import { MessageRequest } from '../../../lib/accept/request/message-request.ts'
import { StreamRequest } from '../../../lib/accept/stream/stream-request.ts'
import { decode, parted } from '../../../lib/flow/worker/message-codec.ts'
import type { PoolMessage, WorkerMessage } from '../../../lib/flow/worker/messages.ts'
import { WorkerPool } from '../../../lib/flow/worker/pool.ts'
import { Worker, type WorkerHost } from '../../../lib/flow/worker/worker.ts'
import { toError } from '../../../lib/outcome.ts'
import type { Request } from '../../../lib/request.ts'
import { BaseServer } from '../../../lib/server/base.ts'
import { zeroStats } from '../../../lib/stats.ts'
import { MemorySocket } from '../../../lib/testing/memory-socket.ts'
import { streamLimits } from '../../support/limits.ts'
import { microtasks, turns, type Watched, watch } from '../../support/turns.ts'

/** A worker that says what it is told to say; it dies when it is killed, and not before. */
export class HostileWorker extends Worker {
  readonly runner = { pid: 1 }
  readonly passesBy = 'descriptor'
  readonly mostOffered = 16
  /** What its pool has said. */
  readonly told: PoolMessage[] = []
  isKilled = false
  #isGone = false

  /** Say something as it comes by Node's channel, or from a thread: anything that can be copied. */
  say(said: unknown): void {
    this.host.heard(this, said as WorkerMessage)
  }

  /** Say something as it comes by a channel of our own. */
  sayBytes(bytes: Buffer): void {
    let messages: unknown[]
    try {
      messages = Array.from(parted(bytes), decode)
    } catch (error) {
      this.lastWords ??= toError(error)
      this.kill()
      return
    }
    for (const message of messages) this.say(message)
  }

  override send(message: PoolMessage): void {
    this.told.push(message)
  }

  override kill(): void {
    if (this.isKilled) return
    this.isKilled = true
    setImmediate(() => this.die())
  }

  override hold(): void {}

  die(): void {
    if (this.#isGone) return
    this.#isGone = true
    this.host.gone(this, 'was ended by SIGKILL')
  }
}

/**
 * A pool of one worker at a time.
 *
 * @param launched - gets each of them
 */
export function hostilePool(launched: (worker: HostileWorker) => void): WorkerPool {
  return new WorkerPool({
    noun: 'child',
    launch(host: WorkerHost) {
      const worker = new HostileWorker(host)
      launched(worker)
      return worker
    },
    passes: 'nothing',
    maxWorkers: 1,
    maxInFlight: 16,
    limit: 16,
    requestsPerWorker: Number.POSITIVE_INFINITY,
    spares: 1,
    timeout: Number.POSITIVE_INFINITY,
    startTimeout: Number.POSITIVE_INFINITY
  })
}

/** A server that notes nothing. */
class SilentServer extends BaseServer {
  notes = 0
  override handleError(error: unknown): void {
    // As who logs it does.
    if (`${error}` !== '') this.notes++
  }
}

/** A pool, by fake timers, with one hostile worker, which has a few requests: whole messages, and connections whose bytes come by a bridge. */
export class Siege {
  readonly #workers: HostileWorker[] = []
  readonly #pool: WorkerPool
  readonly #runs: Watched<unknown>[] = []
  readonly #clients: MemorySocket[] = []
  readonly server = new SilentServer()

  private constructor() {
    this.#pool = hostilePool((worker) => this.#workers.push(worker))
  }

  /** With so many requests of each kind, numbered from 1 on, in turns: a message, a connection. */
  static async begin(pairs: number): Promise<Siege> {
    const siege = new Siege()
    const { server } = siege
    const context = { server, stats: zeroStats(), limits: streamLimits(), noDelay: false }
    siege.worker.say({ type: 'ready' })
    for (let i = 0; i < pairs; i++) {
      siege.#run(new MessageRequest({ server, packet: 'ping', reply: () => {} }))
      const [client, socket] = MemorySocket.pair()
      siege.#clients.push(client)
      client.on('error', () => {})
      client.write('ping')
      siege.#run(new StreamRequest(socket as never, { family: 'unix', path: '' }, context))
      await microtasks(8)
    }
    return siege
  }

  /** The first one, which is dead where it has said what can't be. */
  get worker(): HostileWorker {
    return this.#workers[0] as HostileWorker
  }

  /** How many requests it has. */
  get offered(): number {
    return this.worker.jobs.size
  }

  /** The worker goes, the pool closes, and everybody knows what has become of him. */
  async end(): Promise<Watched<unknown>['state'][]> {
    await turns(2)
    this.worker.die()
    const closed = watch(this.#pool.close({ deadline: 0 }))
    // All that is put off comes to pass, and what comes of that: another worker, which does not go when it is asked to.
    while (closed.state === 'pending') {
      vi.advanceTimersByTime(60_000)
      await turns()
    }
    await closed.promise
    await turns(2)
    for (const client of this.#clients) client.destroy()
    return this.#runs.map(({ state }) => state)
  }

  #run(request: Request): void {
    this.#runs.push(watch(this.#pool.run(request)))
  }
}

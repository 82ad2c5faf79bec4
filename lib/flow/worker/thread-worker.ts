import { type ResourceLimits, Worker as Thread } from 'node:worker_threads'
import type { Runner } from '../../outcome.ts'
import { toError } from '../../outcome.ts'
import { entry } from './entry-url.ts'
import { threadFlags } from './inherited-flags.ts'
import type { PoolMessage, WorkerMessage } from './messages.ts'
import { ownBytes } from './own-bytes.ts'
import { Worker, type WorkerHost } from './worker.ts'

/** How a thread is started. */
export interface ThreadOptions {
  /** Its environment: a copy of this process's, by default. */
  readonly env: Record<string, string | undefined> | undefined
  /** Bounds of its heap and stack, as `worker_threads` has them. */
  readonly resourceLimits: ResourceLimits | undefined
}

/**
 * A thread of this process. A connection is passed by the number of its descriptor: the thread makes a copy of that before
 * it claims, and the pool closes the original after the claim, so that neither can hit a stranger's connection.
 */
export class ThreadWorker extends Worker {
  readonly runner: Runner
  readonly passesBy = 'descriptor'
  readonly mostOffered = 16
  readonly #thread: Thread

  /**
   * @param moduleURL - the handler's module
   * @param options - how it is started
   * @param host - who is told what becomes of it
   */
  constructor(moduleURL: string, { env, resourceLimits }: ThreadOptions, host: WorkerHost) {
    super(host)
    const thread = new Thread(entry('thread'), {
      ...threadFlags(process.execArgv),
      workerData: moduleURL,
      ...(env !== undefined && { env }),
      ...(resourceLimits !== undefined && { resourceLimits })
    })
    this.#thread = thread
    this.runner = { pid: process.pid, threadId: thread.threadId }
    thread.on('message', (message: WorkerMessage) => host.heard(this, message))
    thread.on('error', (error) => {
      this.lastWords ??= toError(error)
    })
    // What it had said before was heard before that.
    thread.on('exit', (code) => host.gone(this, `ended with exit code ${code}`))
  }

  override send(message: PoolMessage): void {
    const [own, transferred] = ownBytes(message)
    this.#thread.postMessage(own, transferred)
  }

  override kill(): void {
    void this.#thread.terminate()
  }

  override hold(on: boolean): void {
    if (on) this.#thread.ref()
    else this.#thread.unref()
  }
}

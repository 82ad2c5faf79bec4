import { performance } from 'node:perf_hooks'
import type { Worker } from './worker.ts'

// Times that a worker is asked for a sign of life within its timeout. They are counted, and no time is measured: while this
// process is held up, or stopped, nobody is asked, and nobody is heard.
const askings = 4

/** Ends workers that have requests and give no sign of life, or that do not let go of those that were cut off. */
export class Watchdog {
  readonly #workers: Iterable<Worker>
  readonly #timeout: number
  #interval: NodeJS.Timeout | undefined

  /**
   * @param workers - whom it watches
   * @param timeout - milliseconds that they may be silent; `Infinity` for ever
   */
  constructor(workers: Iterable<Worker>, timeout: number) {
    this.#workers = workers
    this.#timeout = timeout
  }

  /** Watch, as long as one has a request. */
  watch(): void {
    if (this.#interval !== undefined || this.#timeout === Number.POSITIVE_INFINITY) return
    this.#interval = setInterval(() => this.#look(), Math.max(1, this.#timeout / askings)).unref()
  }

  /** Watch no more. */
  end(): void {
    clearInterval(this.#interval)
    this.#interval = undefined
  }

  #look(): void {
    const timeout = this.#timeout
    const long = performance.now() - timeout
    let busy = false
    for (const worker of this.#workers) {
      if (worker.jobs.size === 0) continue
      busy = true
      if (worker.unanswered >= askings) this.#end(worker, `it did not answer for ${timeout} ms`)
      else if (isDeaf(worker, long)) this.#end(worker, `it did not let go of what was cut off, for ${timeout} ms`)
      else {
        worker.unanswered++
        worker.send({ type: 'ping' })
      }
    }
    if (!busy) this.end()
  }

  #end(worker: Worker, why: string): void {
    worker.lastWords ??= new Error(why)
    worker.kill()
  }
}

/** Whether all that it still works at was cut off long ago. */
function isDeaf({ jobs }: Worker, long: number): boolean {
  for (const { cutAt } of jobs.values()) if (cutAt === undefined || cutAt > long) return false
  return true
}

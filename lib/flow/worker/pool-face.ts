import type { CloseOptions, Request } from '../../request.ts'
import type { WorkerPool } from './pool.ts'

/**
 * Child processes, or threads, that serve requests for whoever asks: {@link forkPool} and {@link threadPool} make them.
 */
export interface Pool extends AsyncDisposable {
  /**
   * Have a request served by a worker: in the middle of a handler, say, after it has read what tells who should serve it.
   * Bytes that were read and put back (`rfile.unread`) travel along; what was written leaves first. From then on the
   * request is the worker's: its rfile and wfile are closed here. Where no mode closes the request, this does, when the
   * worker has done.
   *
   * @param request - the request
   * @returns what the handler returned, when it has; `undefined` where that can't be copied
   * @throws the handler's error; {@link AbortedError} where the request was cut off, with the cause `worker-gone` where its
   *   worker died; {@link WorkerStartError} where none can be started; {@link ClosedError} after the close;
   *   {@link BusyError} while a pool serves it already, which that goes on with
   */
  run(request: Request): Promise<unknown>

  /** The workers that are there: the numbers of their processes, or of their threads. Python: `active_children`. */
  readonly activeChildren: ReadonlySet<number>

  /**
   * Let go of those that have nothing to do, but for the spares. Python: `collect_children`, which forgets those that have
   * ended: these are forgotten by themselves.
   *
   * @returns when they have ended
   */
  collectChildren(): Promise<void>

  /**
   * Take nothing more; end the workers when they have served what they have. Safe to call twice.
   *
   * @param options - the deadline, at which requests that are still served are cut off: 15 seconds by default
   * @returns when all workers have ended
   */
  close(options?: CloseOptions): Promise<void>
}

/** What users see of a pool. */
export function faceOf(pool: WorkerPool): Pool {
  return {
    run: (request) => pool.run(request),
    get activeChildren() {
      return new Set(Array.from(pool.workers, ({ runner }) => runner.threadId ?? runner.pid))
    },
    collectChildren: () => pool.collect(),
    close: (options) => pool.close(options),
    [Symbol.asyncDispose]: () => pool.close()
  }
}

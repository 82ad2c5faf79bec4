import { show } from './arguments.ts'

/** How a request ended: well, with an error of its handler, or cut off. */
export type Settlement<V = unknown> =
  | { readonly status: 'fulfilled'; readonly value: V }
  | { readonly status: 'rejected' | 'aborted'; readonly reason: Error }

/** What a mode yields for each request it has finished, in the order in which they finish. */
export type Outcome<R, V = unknown> = Settlement<V> & {
  /** The request, closed. */
  readonly request: R
  /** Milliseconds from the start of its work to its close. */
  readonly elapsed: number
  /** The child process or the thread in which the handler ran; left out where that was this one. */
  readonly ranBy?: Runner
}

/** A child process, or a thread, that serves requests. */
export interface Runner {
  /** Its process. */
  readonly pid: number
  /** Its thread, as `worker_threads` numbers them; left out where it is a process of its own. */
  readonly threadId?: number
}

/** Anything thrown, as an `Error`. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error
    ? thrown
    : new Error(`Non-error thrown: ${typeof thrown === 'string' ? thrown : show(thrown)}`, { cause: thrown })
}

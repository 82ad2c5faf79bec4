import { known } from '../arguments.ts'
import { ClosedError } from '../errors.ts'
import { mayReject } from '../iterator/deferred.ts'
import { turn } from '../iterator/turn.ts'
import type { Report, Request } from '../request.ts'
import type { Stage } from '../stage.ts'
import {
  type ClosableServer,
  type CloseOnSignalOptions,
  closeOnSignal,
  likeGiven,
  severalOf,
  signalOptionNames
} from './close-on-signal.ts'
import { checkStage } from './outcomes.ts'

/** What {@link runUntilSignal} runs; every server is one. */
export interface RunnableServer extends ClosableServer, AsyncIterable<Request> {
  /** Aborts when it begins to close. */
  readonly stopping: AbortSignal

  /** Bind and begin to take requests in. */
  listen(): Promise<unknown>

  /** Serve until it is closed; by the `stage` of {@link RunOptions}, where there is one. */
  serveForever(): Promise<Report>
}

interface StagedServer extends RunnableServer {
  serveForever(stage?: Stage<never, unknown>): Promise<Report>
}

/** How servers run. */
export interface RunOptions<S> extends CloseOnSignalOptions {
  /**
   * How each of them serves: `parallel(…)`, `sequential(…)` or a stage of yours; by default as its `serveForever()` does. A
   * limit that is a number is each server's own, a {@link Semaphore} is for all.
   */
  readonly stage?: Stage<S extends AsyncIterable<infer R> | readonly AsyncIterable<infer R>[] ? R : never, unknown>
}

/**
 * The whole life of servers as a program: listen, serve, and close when the process is asked to end. Signals and exit
 * codes are those of {@link closeOnSignal}, which also goes with a pipeline by hand.
 *
 * All listen before any of them serves. Where one cannot listen, or fails later, the others are closed, with the same
 * deadline, and its error is thrown. A server that the program closes does not end the others.
 *
 * Resources: those of the servers, and the listeners of signals. When it has ended nothing of it holds the process.
 * Errors: `TypeError` and `RangeError` for wrong arguments; what `listen()` and `serveForever()` throw.
 * Stopping: by a signal, or when all servers have closed by whatever way.
 *
 * @param servers - one, or several
 * @param options - how
 * @returns the report of the one, or the reports, when all are closed
 *
 * @example
 * const server = new TCPServer({ host: '127.0.0.1', port: 0 })
 * const running = runUntilSignal(server, { stage: parallel((request: Request) => pipe(request, request)) })
 * await server.listen()
 * assert.equal(await exchange(server.address, 'ping'), 'ping')
 * process.kill(process.pid, 'SIGTERM')
 * const { finished, aborted } = await running
 * assert.equal(aborted, 0)
 */
export async function runUntilSignal<S extends RunnableServer | readonly RunnableServer[]>(
  servers: S,
  options: RunOptions<S> = {}
): Promise<S extends readonly unknown[] ? Report[] : Report> {
  known('runUntilSignal', options, [...signalOptionNames, 'stage'])
  const all: readonly RunnableServer[] = severalOf('runUntilSignal', servers, ['close', 'listen', 'serveForever'])
  const { stage, ...signals } = options
  if (stage !== undefined) checkStage(stage)
  if (all.some((server) => server.stopping.aborted)) throw new ClosedError('Cannot run: a server is closed')
  // Signals count from the beginning: looking a name up may take its time.
  const closing = closeOnSignal(all, signals)
  mayReject(closing)
  const { deadline } = signals
  const close = (): Promise<unknown> =>
    Promise.allSettled(all.map(async (server) => server.close(deadline === undefined ? {} : { deadline })))
  try {
    await allOf(all.map(listen), close)
    const open = all.filter((server) => !server.stopping.aborted)
    await allOf(
      open.map((server: StagedServer) => server.serveForever(stage)),
      close
    )
  } catch (error) {
    await close()
    throw error
  }
  return likeGiven(servers, await closing)
}

/** One that is closed meanwhile will not listen, and nothing went wrong; nor is it waited for. */
async function listen(server: RunnableServer): Promise<void> {
  // Of one that cannot listen the error comes when it has closed.
  const closed = server.closed.then(() => turn())
  try {
    await Promise.race([server.listen(), closed])
  } catch (error) {
    if (!(error instanceof ClosedError && server.stopping.aborted)) throw error
  }
}

/** Waits for all, and throws the first error, of which is told at once. */
async function allOf(works: readonly Promise<unknown>[], failed: () => unknown): Promise<void> {
  const errors: unknown[] = []
  const ends = works.map((work) =>
    work.catch((error: unknown) => {
      errors.push(error)
      failed()
    })
  )
  await Promise.all(ends)
  if (errors.length > 0) throw errors[0]
}

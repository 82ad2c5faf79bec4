import { constants } from 'node:os'
import { known, milliseconds, show } from '../arguments.ts'
import { deferred } from '../iterator/deferred.ts'
import type { CloseOptions, Report } from '../request.ts'

/** What {@link closeOnSignal} closes; every server is one. */
export interface ClosableServer {
  /** Settles when it has closed, however that came about. */
  readonly closed: Promise<Report>

  /**
   * Close it.
   *
   * @param options - the deadline
   */
  close(options?: CloseOptions): Promise<Report>
}

/** How servers are closed by signals. */
export interface CloseOnSignalOptions {
  /** Milliseconds that those inside have to finish, after the first signal: 15 seconds by default. */
  readonly deadline?: number
  /** The signals: `SIGTERM` and `SIGINT` by default. */
  readonly signals?: readonly NodeJS.Signals[]
  /**
   * Called when a signal has been heard, and acted upon. What it throws is thrown when the servers have closed.
   *
   * @param signal - which
   * @param action - `drain`: those inside finish; `cut`: they are cut off
   */
  readonly onSignal?: (signal: NodeJS.Signals, action: 'drain' | 'cut') => void
}

/** The names of {@link CloseOnSignalOptions}. */
export const signalOptionNames = ['deadline', 'signals', 'onSignal']

const defaultDeadline = 15_000
const usualSignals = ['SIGTERM', 'SIGINT'] as const
const unheard = ['SIGKILL', 'SIGSTOP']

// A terminal signals the whole group, and npm passes the signal on once more: two of a kind that come together are one.
// Whoever means two that fast is asked for patience, which is cheaper than cutting everybody off at each Ctrl-C.
const together = 500

const codeOfSignal = 128

/**
 * Close servers when the process is asked to end. The first signal lets those inside finish, a second one cuts them off,
 * and a third one ends the process, as if nobody had listened.
 *
 * The same signal twice within half a second is one: of Ctrl-C under `npm` a process hears twice. A signal that other
 * listeners want is theirs too. Other signals do as ever: SIGHUP, which many servers take as "read your files again",
 * ends the process at once, where it is not among `signals`. On Windows Ctrl-C is SIGINT, nobody can send SIGTERM (who
 * kills the process ends it at once), and a console that is closed is SIGHUP and has 10 seconds. A worker thread hears no
 * signals.
 *
 * It sets `process.exitCode`, where nothing else has: 128 and the number of the signal after a second one (130 of SIGINT,
 * 143 of SIGTERM), 1 where the deadline has cut somebody off; so it stays 0 where all have finished.
 *
 * Resources: a listener for each signal, until all servers have closed by whatever way, and half a second from the last
 * signal on. None holds the process.
 * Errors: `TypeError` and `RangeError` for wrong arguments.
 *
 * @param servers - one, or several
 * @param options - how
 * @returns the report of the one, or the reports, when all are closed
 *
 * @example
 * const server = await new TCPServer({ host: '127.0.0.1', port: 0 }).listen()
 * const report = closeOnSignal(server, { deadline: 5_000 })
 * const serving = pipe(server, parallel((request: Request) => pipe(request, request)), drain)
 * assert.equal(await exchange(server.address, 'ping'), 'ping')
 * process.kill(process.pid, 'SIGTERM')
 * assert.equal((await report).aborted, 0)
 * await serving
 */
export function closeOnSignal<S extends ClosableServer | readonly ClosableServer[]>(
  servers: S,
  options: CloseOnSignalOptions = {}
): Promise<S extends readonly unknown[] ? Report[] : Report> {
  known('closeOnSignal', options, signalOptionNames)
  const { reports } = new Closing(severalOf('closeOnSignal', servers, ['close']), options)
  return reports.then((all) => likeGiven(servers, all))
}

/**
 * The reports, or the one of a server that was given alone.
 *
 * @param given - one server, or several
 * @param reports - of each
 */
export function likeGiven<S>(given: S, reports: readonly Report[]): S extends readonly unknown[] ? Report[] : Report {
  return (Array.isArray(given) ? reports : reports[0]) as S extends readonly unknown[] ? Report[] : Report
}

/**
 * The servers that are meant.
 *
 * @param what - who was given them
 * @param given - one, or several
 * @param methods - what each must be able to do
 */
export function severalOf<S extends ClosableServer>(
  what: string,
  given: S | readonly S[],
  methods: readonly (keyof S & string)[]
): readonly S[] {
  const servers: readonly S[] = Array.isArray(given) ? given : [given as S]
  for (const server of servers) {
    if (server != null && methods.every((method) => typeof server[method] === 'function')) continue
    throw new TypeError(`${what} takes a server, or an array of them: got ${show(server)}`)
  }
  if (servers.length === 0) throw new TypeError(`${what} takes a server, or an array of them: got none`)
  return servers
}

/** Servers that signals close. */
class Closing {
  /** Settles when all are closed. */
  readonly reports: Promise<Report[]>
  readonly #servers: readonly ClosableServer[]
  readonly #deadline: number
  readonly #signals: readonly NodeJS.Signals[]
  readonly #onSignal: CloseOnSignalOptions['onSignal']
  readonly #failed = deferred<never>()
  // When each was last taken for one of its own.
  readonly #heard = new Map<NodeJS.Signals, number>()
  #steps = 0
  #thrown: { readonly error: unknown } | undefined

  constructor(
    servers: readonly ClosableServer[],
    { deadline, signals = usualSignals, onSignal }: CloseOnSignalOptions
  ) {
    this.#servers = servers
    this.#deadline = milliseconds('deadline', deadline, defaultDeadline)
    this.#signals = checkSignals(signals)
    if (onSignal !== undefined && typeof onSignal !== 'function') {
      throw new TypeError(`Option onSignal must be a function: got ${show(onSignal)}`)
    }
    this.#onSignal = onSignal
    for (const signal of this.#signals) process.on(signal, this.#hear)
    this.reports = this.#run()
  }

  readonly #hear = (signal: NodeJS.Signals): void => {
    const now = performance.now()
    const before = this.#heard.get(signal)
    if (before !== undefined && now - before < together) return
    this.#heard.set(signal, now)
    this.#steps++
    if (this.#steps > 2) {
      this.#deafen(this.#signals)
      process.kill(process.pid, signal)
      return
    }
    if (this.#steps === 2) process.exitCode ??= codeOfSignal + constants.signals[signal]
    const deadline = this.#steps === 1 ? this.#deadline : 0
    for (const server of this.#servers) void this.#close(server, deadline)
    try {
      this.#onSignal?.(signal, this.#steps === 1 ? 'drain' : 'cut')
    } catch (error) {
      this.#thrown ??= { error }
    }
  }

  async #close(server: ClosableServer, deadline: number): Promise<void> {
    try {
      await server.close({ deadline })
    } catch (error) {
      this.#failed.reject(error)
    }
  }

  async #run(): Promise<Report[]> {
    try {
      // What cannot be closed will not be.
      const reports = await Promise.race([
        Promise.all(this.#servers.map((server) => server.closed)),
        this.#failed.promise
      ])
      if (this.#steps > 0 && reports.some(({ aborted }) => aborted > 0)) process.exitCode ??= 1
      if (this.#thrown !== undefined) throw this.#thrown.error
      return reports
    } finally {
      this.#leave()
    }
  }

  /** The second half of a signal that came twice may be on its way, and must not end the process that has done as told. */
  #leave(): void {
    const now = performance.now()
    for (const signal of this.#signals) {
      const rest = (this.#heard.get(signal) ?? Number.NEGATIVE_INFINITY) + together - now
      if (rest <= 0) this.#deafen([signal])
      else setTimeout(() => this.#deafen([signal]), rest).unref()
    }
  }

  #deafen(signals: readonly NodeJS.Signals[]): void {
    for (const signal of signals) process.off(signal, this.#hear)
  }
}

function checkSignals(signals: readonly NodeJS.Signals[]): readonly NodeJS.Signals[] {
  const given: unknown = signals
  if (!Array.isArray(given) || given.length === 0) {
    throw new TypeError(`Option signals must be an array of signals: got ${show(signals)}`)
  }
  for (const signal of signals) {
    if (Object.hasOwn(constants.signals, signal) && !unheard.includes(signal)) continue
    throw new TypeError(`Option signals must hold signals that can be listened to: got ${show(signal)}`)
  }
  return [...new Set(signals)]
}

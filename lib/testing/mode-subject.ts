import type { HandlerClass } from '../handler/run.ts'
import { mayReject } from '../iterator/deferred.ts'
import type { Outcome } from '../outcome.ts'
import type { Request } from '../request.ts'
import type { Stage } from '../stage.ts'
import { ModeGate } from './mode-gate.ts'
import ModeHandler from './mode-handler.ts'
import { ModeSource } from './mode-source.ts'
import { type AnyServer, listeningServer, type ServerSubject } from './server-subject.ts'
import type { Trial } from './trial.ts'

/** What a mode under test serves by: one handler, in two forms. */
export interface GivenHandler {
  /** The handler, for modes that serve in this thread. */
  readonly handler: HandlerClass
  /** The module whose default export it is, for those that serve elsewhere. */
  readonly module: URL
}

/** A mode, for {@link checkMode}: how it is made, and over which server it is run. */
export interface ModeSubject<S extends AnyServer = AnyServer> extends ServerSubject<S> {
  /**
   * Makes the mode.
   *
   * @param given - the handler, and its module: take what suits
   */
  readonly mode: (given: GivenHandler) => Stage<Request, Outcome<Request>>
  /** Requests that the mode has at work at a time, exactly. */
  readonly limit: number
  /** Where its handlers run: outcomes of children and threads say by whom (`ranBy`). Here, by default. */
  readonly runsIn?: 'children' | 'threads' | 'here'
  /** Whether its requests are whole messages, with one reply or none. False by default. */
  readonly messages?: boolean
  /**
   * What the mode is given of the server: its requests, by default. `framed(lines())(server)`, say.
   *
   * @param server - it listens
   */
  requests?(server: S): AsyncIterable<Request>
}

/** What a client of a mode under test has asked. */
export interface Asked {
  /** What comes back, where something does. */
  readonly reply: Promise<string>
}

/** A mode under test, over a server that listens. */
export interface TestedMode {
  readonly server: AnyServer
  /** What `handleError` was told. */
  readonly errors: unknown[]
  readonly gate: ModeGate
  readonly source: ModeSource
  readonly outcomes: AsyncIterator<Outcome<Request>>
  /** Ask for something that the handler can do: see {@link ModeHandler}. */
  readonly ask: (does: string, name?: string) => Promise<Asked>
  /** The next outcome, which must come. */
  readonly outcome: () => Promise<Outcome<Request>>
  /** That the outcomes come to their end. */
  readonly end: () => Promise<void>
}

const here = import.meta.url

const given: GivenHandler = {
  handler: ModeHandler,
  // From source, that is what was built of it: children of Node 20 load no TypeScript.
  module: new URL(here.endsWith('.ts') ? '../../dist/testing/mode-handler.js' : './mode-handler.js', here)
}

/** A mode at work: it ends, and the server with it, at the end of the case. */
export async function runningMode(
  trial: Trial,
  subject: ModeSubject,
  prepare: (server: AnyServer) => void = () => {}
): Promise<TestedMode> {
  const { server, errors, ask } = await listeningServer(trial, subject)
  prepare(server)
  const source = new ModeSource(subject.requests === undefined ? server : subject.requests(server))
  const outcomes = subject.mode(given)(source)[Symbol.asyncIterator]()
  trial.after(() => outcomes.return?.())
  const gate = await ModeGate.made(trial)
  const next = <T>(used: (result: IteratorResult<Outcome<Request>>) => T): Promise<T> => {
    const coming = trial.soon('an outcome comes, or the end', outcomes.next()).then(used)
    // A case may end before it comes.
    mayReject(coming)
    return coming
  }
  return {
    server,
    errors,
    gate,
    source,
    outcomes,
    ask: (does, name = does) => ask(`${does} ${gate.port} ${name}`),
    outcome: () =>
      next((result) => {
        if (result.done === true) throw new Error('the outcomes have ended: another should have come')
        return result.value
      }),
    end: () =>
      next((result) => {
        if (result.done === true) return
        throw new Error(`the outcomes should have ended: another has come, ${result.value.status}`)
      })
  }
}

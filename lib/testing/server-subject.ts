import { deferred } from '../iterator/deferred.ts'
import type { Request } from '../request.ts'
import type { BaseServer } from '../server/base.ts'
import type { Trial } from './trial.ts'

/** A server of any kind of request; whoever makes one knows which. */
export type AnyServer = Omit<BaseServer, 'handler' | 'listen' | 'ref' | 'stage' | 'unref'> & {
  listen(): Promise<unknown>
}

/** What a client has asked. */
export interface Question {
  /** Settles when the server can know of it. */
  readonly sent: Promise<unknown>
  /**
   * What comes back, to its end; it may be empty, `undefined`, never settle or reject where the request is not answered.
   */
  readonly reply: Promise<unknown>
  /** The client goes: called at the end of the case. */
  readonly close?: () => unknown
}

/** A kind of server, for {@link checkServer}: how one is made and asked. */
export interface ServerSubject<S extends AnyServer = AnyServer> {
  /** What is checked, for messages. */
  readonly name: string
  /**
   * Makes a server that does not listen yet, with 100 as its `maxPending`, where it has that. The kit sets its
   * `verifyRequest`, `handleError` and `handleTimeout`.
   */
  readonly server: () => S
  /**
   * Ask a server, as a client: one request that has `input` as its whole input.
   *
   * @param server - it listens
   * @param input - a short text
   */
  ask(server: S, input: string): Question
  /** What nobody asks for stays outside (in the kernel) and is not in `stats().waiting`. False by default. */
  readonly onDemand?: boolean
  /** Who comes while it is suspended waits outside (in the kernel), and is not refused: as `onDemand` says, by default. */
  readonly keepsSuspended?: boolean
}

/** Whether who comes while it is suspended waits outside. */
export function keepsSuspended(subject: Pick<ServerSubject, 'keepsSuspended' | 'onDemand'>): boolean {
  return subject.keepsSuspended ?? subject.onDemand === true
}

/** A server under test. */
export interface TestedServer {
  readonly server: AnyServer
  /** What `handleError` was told. */
  readonly errors: unknown[]
  /** Ask; settles when the server can know of it. */
  readonly ask: (input: string) => Promise<{ readonly reply: Promise<string> }>
  /** Ask that many, and wait until all are inside or wait. */
  readonly askAll: (inputs: readonly string[]) => Promise<{ readonly reply: Promise<string> }[]>
}

/** A server, closed at the end of its case. */
export function testedServer(trial: Trial, subject: ServerSubject): TestedServer {
  const server = subject.server()
  const errors: unknown[] = []
  server.handleError = (error: unknown) => void errors.push(error)
  trial.after(() => server.close({ deadline: 0 }))
  const ask = async (input: string): Promise<{ reply: Promise<string> }> => {
    const { sent, reply, close } = subject.ask(server, input)
    trial.after(() => close?.())
    const answer = reply.then((bytes) => String(bytes))
    answer.catch(() => {})
    await trial.soon('a request is sent', sent)
    return { reply: answer }
  }
  const here = (): number => {
    const { accepted, open, waiting } = server.stats()
    return Math.max(accepted, open + waiting)
  }
  return {
    server,
    errors,
    ask,
    askAll: async (inputs) => {
      const before = here()
      const asked: { readonly reply: Promise<string> }[] = []
      for (const input of inputs) asked.push(await ask(input))
      if (subject.onDemand !== true) {
        await trial.until(`${inputs.length} requests come in`, () => here() >= before + inputs.length)
      }
      return asked
    }
  }
}

/** The same, listening. */
export async function listeningServer(trial: Trial, subject: ServerSubject): Promise<TestedServer> {
  const made = testedServer(trial, subject)
  await trial.soon('listen() returns', made.server.listen())
  return made
}

/** Answers its input. */
export async function echo({ rfile, wfile }: Request): Promise<string> {
  const input = await rfile.readAll()
  await wfile.write(input)
  return input.toString()
}

/** A handler whose requests wait inside until they are let go. */
export class Gate {
  readonly #inside: { readonly request: Request; readonly go: () => void }[] = []
  #open = false
  /** The most that were inside at once. */
  most = 0

  /** How many are inside. */
  get inside(): number {
    return this.#inside.length
  }

  /** Who came in first. */
  get first(): Request | undefined {
    return this.#inside[0]?.request
  }

  /** The handler: an echo. */
  readonly handler = async (request: Request): Promise<string> => {
    const { promise, resolve } = deferred<void>()
    const entry = { request, go: resolve }
    this.#inside.push(entry)
    this.most = Math.max(this.most, this.#inside.length)
    if (!this.#open) await promise
    this.#inside.splice(this.#inside.indexOf(entry), 1)
    return echo(request)
  }

  /** Let one go. */
  one(): void {
    this.#inside[0]?.go()
  }

  /** Let all go, and who comes later. */
  open(): void {
    this.#open = true
    for (const { go } of [...this.#inside]) go()
  }
}

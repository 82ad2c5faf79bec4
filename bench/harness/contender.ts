import { isFigureRow, type Row } from './benchmark.ts'
import { startLoad } from './load-process.ts'
import type { TurnReport } from './load-turns.ts'
import type { Notes } from './notes.ts'
import { type ServerProcess, startServer } from './server-process.ts'
import type { Side } from './side.ts'
import type { TrackedProcess } from './tracked-process.ts'

// Connecting and waiting for the last replies, on a machine that has other things to do
const overhead = 20

const timeToAnswer = 5

/** A server and the load generator of its own, which rest until they are told to work */
export class Contender implements AsyncDisposable {
  readonly #name: string
  readonly #server: ServerProcess
  readonly #load: TrackedProcess
  /** Whether the server is asked what it has noted */
  readonly #notes: boolean

  private constructor(name: string, server: ServerProcess, load: TrackedProcess, notes: boolean) {
    this.#name = name
    this.#notes = notes
    this.#server = server
    this.#load = load
  }

  static async start(side: Side, row: Row): Promise<Contender> {
    const server = await startServer(side)
    return new Contender(side.name, server, startLoad(row.load, server), isFigureRow(row) && row.notedBy !== 'load')
  }

  async work(seconds: number): Promise<TurnReport> {
    try {
      // What it noted while it rested counts for nothing.
      if (this.#notes) await this.#askNotes()
      this.#load.tell(String(seconds))
      const report = JSON.parse(await this.#load.nextLine(seconds + overhead)) as TurnReport
      return this.#notes ? { ...report, notes: await this.#askNotes() } : report
    } catch (error) {
      const { process: server } = this.#server
      const ending = server.ending === undefined ? '' : `\nThe server ended: ${server.describeEnd()}`
      throw new Error(
        `Cannot measure ${this.#name}: ${error instanceof Error ? error.message : String(error)}${ending}`
      )
    }
  }

  async #askNotes(): Promise<Notes> {
    this.#server.process.tell('')
    return JSON.parse(await this.#server.process.nextLine(timeToAnswer)) as Notes
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#load.stop()
    await this.#server.process.stop()
  }
}

import type { Load } from './benchmark.ts'
import { startLoad } from './load-process.ts'
import type { TurnReport } from './load-turns.ts'
import { type ServerProcess, startServer } from './server-process.ts'
import type { Side } from './side.ts'
import type { TrackedProcess } from './tracked-process.ts'

// Connecting and waiting for the last replies, on a machine that has other things to do
const overhead = 20

/** A server and the load generator of its own, which rest until they are told to work */
export class Contender implements AsyncDisposable {
  readonly #name: string
  readonly #server: ServerProcess
  readonly #load: TrackedProcess

  private constructor(name: string, server: ServerProcess, load: TrackedProcess) {
    this.#name = name
    this.#server = server
    this.#load = load
  }

  static async start(side: Side, load: Load): Promise<Contender> {
    const server = await startServer(side)
    return new Contender(side.name, server, startLoad(load, server))
  }

  async work(seconds: number): Promise<TurnReport> {
    this.#load.tell(String(seconds))
    try {
      return JSON.parse(await this.#load.nextLine(seconds + overhead)) as TurnReport
    } catch (error) {
      const { process: server } = this.#server
      const ending = server.ending === undefined ? '' : `\nThe server ended: ${server.describeEnd()}`
      throw new Error(
        `Cannot measure ${this.#name}: ${error instanceof Error ? error.message : String(error)}${ending}`
      )
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#load.stop()
    await this.#server.process.stop()
  }
}

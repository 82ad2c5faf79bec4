import { forkPool, StreamRequestHandler, type TCPServerOptions, ThreadingTCPServer } from 'it-socketserver'

/** The answer to a line. */
export type Answers = ReadonlyMap<string, string>

/**
 * Does a part at once, and finishes in a child, depending on the request: what was asked before is answered from memory,
 * here; who asks for something new is served by a child from then on, from the line on that was read here.
 */
class Factor extends StreamRequestHandler<FactorServer> {
  override async handle(): Promise<void> {
    const { known, heavy } = this.server
    for await (const line of this.rfile.lines({ limit: 64 })) {
      const answer = known.get(line.toString().trim())
      if (answer === undefined) {
        this.rfile.unread(line)
        // What the handler in the child returns comes back.
        this.server.learn((await heavy.run(this.request)) as Answers)
        return
      }
      await this.wfile.write(answer)
    }
  }
}

const mostKnown = 10_000

/** Tells the prime factors of each line that it gets: `12` is `2 2 3`. */
export class FactorServer extends ThreadingTCPServer {
  readonly known = new Map<string, string>()
  readonly heavy = forkPool(new URL('./factor-heavy.mjs', import.meta.url), { maxChildren: 4, timeout: 60_000 })

  constructor(options: TCPServerOptions = {}) {
    super({ ...options, limit: 1_000 }, Factor)
  }

  /** Know from now on what a child has found. */
  learn(answers: Answers): void {
    for (const [line, answer] of answers) if (this.known.size < mostKnown) this.known.set(line, answer)
  }

  protected override async serverRelease(): Promise<void> {
    await super.serverRelease()
    await this.heavy.close({ deadline: 1_000 })
  }
}

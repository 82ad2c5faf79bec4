import { StreamRequest, StreamRequestHandler } from '../index.ts'

const newline = 10
const carriageReturn = 13

/** Every line comes back in capitals; a few words do something. Serves a connection and a datagram alike. */
export class LineService extends StreamRequestHandler {
  /** Lines answered since the process began. */
  static answered = 0

  // A terminal left open overnight must not hold its place for ever.
  override timeout = 10 * 60_000

  override async handle(): Promise<void> {
    // Whoever is idle when the server stops has nothing to finish.
    for await (const line of this.rfile.lines({ signal: this.request.stopping })) {
      LineService.answered++
      const end = terminator(line)
      const words = line.toString('utf8', 0, line.length - end.length)
      await this.wfile.write(this.#answer(words) + (end === '' && this.request instanceof StreamRequest ? '\n' : end))
      if (words === 'quit') return
    }
  }

  #answer(words: string): string {
    switch (words) {
      case 'time':
        return new Date().toISOString()
      case 'stats':
        return JSON.stringify(this.server.stats())
      case 'quit':
        return 'BYE'
      default:
        return words.toUpperCase()
    }
  }
}

// What the line ended with is what its answer ends with: telnet sends \r\n, nc sends \n, a datagram often neither.
function terminator(line: Buffer): string {
  if (line.at(-1) !== newline) return ''
  return line.at(-2) === carriageReturn ? '\r\n' : '\n'
}

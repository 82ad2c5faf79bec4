import { drain, parallel, pipe, StreamRequestHandler, TCPServer } from 'it-socketserver'
import { noteMemory } from '../harness/memory.ts'

class Chat extends StreamRequestHandler {
  override async handle(): Promise<void> {
    for (;;) {
      const line = await this.rfile.readLine()
      if (line === undefined) return
      await this.wfile.write(line)
    }
  }
}

// Waits for something else than its client.
class Untouched extends StreamRequestHandler {
  override async handle(): Promise<void> {
    await never
  }
}

const never = new Promise<void>(() => {})
const server = await new TCPServer({ host: '127.0.0.1', port: 0 }).listen()
noteMemory(() => server.stats().open)
process.stdout.write(`${server.address.port}\n`)
const handler = process.argv[2] === 'untouched' ? Untouched : Chat
await pipe(server, parallel(handler, { limit: Number.POSITIVE_INFINITY }), drain)

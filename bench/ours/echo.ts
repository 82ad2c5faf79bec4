import { drain, parallel, pipe, StreamRequestHandler, TCPServer } from 'it-socketserver'

class Echo extends StreamRequestHandler {
  override async handle(): Promise<void> {
    for await (const chunk of this.rfile) await this.wfile.write(chunk)
  }
}

const server = await new TCPServer({ host: '127.0.0.1', port: 0 }).listen()
process.stdout.write(`${server.address.port}\n`)
await pipe(server, parallel(Echo, { limit: 10_000 }), drain)

import { drain, parallel, pipe, StreamRequestHandler, TCPServer } from 'it-socketserver'

class Connect extends StreamRequestHandler {
  override async handle(): Promise<void> {
    const line = await this.rfile.readLine()
    if (line !== undefined) await this.wfile.write(line)
  }
}

const server = await new TCPServer({ host: '127.0.0.1', port: 0 }).listen()
process.stdout.write(`${server.address.port}\n`)
await pipe(server, parallel(Connect, { limit: Number(process.argv[2] ?? 10_000) }), drain)

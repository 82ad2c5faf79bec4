import { type DatagramRequest, drain, parallel, pipe, UDPServer } from 'it-socketserver'

const server = await new UDPServer({ host: '127.0.0.1', port: 0, backend: 'native' }).listen()
process.stdout.write(`${server.address.port}\n`)
await pipe(
  server,
  parallel((request: DatagramRequest) => request.wfile.write(request.packet), { limit: 10_000 }),
  drain
)

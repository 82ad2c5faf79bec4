import { type Backend, type DatagramRequest, drain, parallel, pipe, UDPServer } from 'it-socketserver'
import { Counters } from '../harness/counters.ts'

const [backend, rounds] = process.argv.slice(2)
const counters = new Counters(Number(rounds))
const server = await new UDPServer({ host: '127.0.0.1', port: 0, backend: backend as Backend }).listen()
process.stdout.write(`${server.address.port}\n`)
counters.note()
await pipe(
  server,
  parallel((request: DatagramRequest) => counters.add(request.packet)),
  drain
)

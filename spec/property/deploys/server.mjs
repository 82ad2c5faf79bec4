// A server as people deploy it: it serves until a SIGTERM, and then ends by itself, as soon as nothing holds it any more.
// Argument: which server, where it listens, by which backend, in which mode. It prints its address, and at the end what became of all.
import { forked, parallel, TCPServer, threads, UnixStreamServer } from '../../../dist/index.js'
import answer from './answer.mjs'

const { kind, where, mode } = JSON.parse(process.argv[2])
const handler = new URL('answer.mjs', import.meta.url)
const modes = {
  parallel: () => parallel(answer),
  threads: () => threads(handler, { size: 2, limit: 16 }),
  forked: () => forked(handler, { maxChildren: 2, maxRequestsPerChildInFlight: 8 })
}

const server = new { TCPServer, UnixStreamServer }[kind](where)
process.on('SIGTERM', () => server.close())
await server.listen()
// Whoever has started it has gone: nobody is left to send the signal. This holds the process no longer than anything else.
process.stdin
  .once('end', () => process.exit(3))
  .resume()
  .unref()
process.stdout.write(`${JSON.stringify(server.address)}\n`)
const report = await server.serveForever(modes[mode]())
process.stdout.write(`${JSON.stringify({ ...server.stats(), ...report })}\n`)

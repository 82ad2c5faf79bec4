import { availableParallelism } from 'node:os'
import { drain, forked, parallel, pipe, type Stage, type StreamRequest, TCPServer, threads } from 'it-socketserver'
import line from '../handlers/line.ts'

// As many processes or threads as node:cluster has, and enough requests for each that none waits for the next.
const workers = availableParallelism()
const inFlight = 64

const [, , mode = '', handler = ''] = process.argv
const module = new URL(`../handlers/${handler}.js`, import.meta.url)

function stage(): Stage<StreamRequest, unknown> {
  switch (mode) {
    case 'parallel':
      return parallel(line, { limit: workers * inFlight })
    case 'forked':
      return forked(module, { maxChildren: workers, maxRequestsPerChildInFlight: inFlight })
    case 'fork-per-request':
      return forked(module, { requestsPerChild: 1 })
    case 'threads':
      return threads(module, { size: workers, limit: workers * inFlight })
    default:
      throw new Error(`There is no mode ${mode}`)
  }
}

const server = await new TCPServer({ host: '127.0.0.1', port: 0 }).listen()
process.stdout.write(`${server.address.port}\n`)
await pipe(server, stage(), drain)

import cluster from 'node:cluster'
import { availableParallelism } from 'node:os'
import { TCPServer, UDPServer } from 'it-socketserver'
import { keepWorkers, serveAsWorker } from './workers.ts'

/**
 * One server in several processes by `node:cluster`: the parent has the one socket; it accepts connections and deals them
 * out in turn, and shares a socket for datagrams. Where there is no `reusePort`: on other systems, or without koffi before
 * Node 22.12.
 *
 * `node prefork-cluster.js [port] [workers] [tcp | udp]`
 */
const [port = '9000', workers = `${availableParallelism()}`, kind = 'tcp'] = process.argv.slice(2)

if (cluster.isPrimary) {
  await keepWorkers({
    workers: Number(workers),
    start: () => cluster.fork().process,
    log: (line) => void process.stdout.write(`${line}\n`)
  })
} else {
  // Nothing else is different: a server in a worker goes by Node's own sockets, which ask the parent.
  const Server = kind === 'udp' ? UDPServer : TCPServer
  await serveAsWorker(new Server({ port: Number(port) }))
}

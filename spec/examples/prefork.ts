import { fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { TCPServer, UDPServer } from 'it-socketserver'
import { keepWorkers, serveAsWorker } from './workers.ts'

/**
 * One server in several processes: each has a socket of its own on the same port, and the kernel deals the clients out.
 *
 * `node prefork.js [port] [workers] [tcp | udp]`
 */
const [port = '9000', workers = `${availableParallelism()}`, kind = 'tcp'] = process.argv.slice(2)

if (process.send === undefined) {
  await keepWorkers({
    workers: Number(workers),
    start: () => fork(fileURLToPath(import.meta.url), process.argv.slice(2)),
    log: (line) => void process.stdout.write(`${line}\n`)
  })
} else {
  const Server = kind === 'udp' ? UDPServer : TCPServer
  await serveAsWorker(new Server({ port: Number(port), reusePort: true }))
}

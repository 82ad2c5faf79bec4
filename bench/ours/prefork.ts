import { fork } from 'node:child_process'
import { once } from 'node:events'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { drain, parallel, pipe, TCPServer } from 'it-socketserver'
import line from '../handlers/line.ts'

/** A process that listens too: the kernel shares the connections out */
async function start(port: number): Promise<number> {
  const [listening] = (await once(fork(fileURLToPath(import.meta.url), [String(port)]), 'message')) as [number]
  return listening
}

async function serve(port: number): Promise<void> {
  const server = await new TCPServer({ host: '127.0.0.1', port, reusePort: true }).listen()
  process.on('disconnect', () => process.exit())
  process.send?.(server.address.port)
  await pipe(server, parallel(line, { limit: 10_000 }), drain)
}

const [, , given] = process.argv
if (given === undefined) {
  const port = await start(0)
  await Promise.all(Array.from({ length: availableParallelism() - 1 }, () => start(port)))
  process.stdout.write(`${port}\n`)
} else await serve(Number(given))

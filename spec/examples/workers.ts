import type { ChildProcess } from 'node:child_process'
import cluster from 'node:cluster'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { parallel, type Request, type TCPServer, type UDPServer } from 'it-socketserver'

// A worker that dies young is replaced after a while only, and after twice as long when that dies young too.
const [shortestPause, longestPause] = [100, 10_000]
// For the worker's own deadline, and for what comes after it.
const patience = 15_000
const deadline = 10_000

/** What a parent does: keeps its workers alive, until it is told to stop. */
export interface Keeping {
  /** How many there are. */
  readonly workers: number
  /** Starts one. It ends by SIGTERM, when it has served those inside. */
  readonly start: () => ChildProcess
  /** Hears who comes and goes. */
  readonly log: (line: string) => void
}

/** Keeps so many workers alive, and returns when the last has gone after a SIGTERM or SIGINT. */
export async function keepWorkers({ workers, start, log }: Keeping): Promise<void> {
  const stopping = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stopping.abort())
  const one = (): Promise<void> => keepWorker(start, log, stopping.signal)
  await Promise.all(Array.from({ length: workers }, one))
}

async function keepWorker(start: Keeping['start'], log: Keeping['log'], stopping: AbortSignal): Promise<void> {
  let pause = shortestPause
  while (!stopping.aborted) {
    const born = performance.now()
    const worker = start()
    worker.once('message', (port: number) => log(`${worker.pid} listens on ${port}`))
    const stop = (): void => endWorker(worker)
    stopping.addEventListener('abort', stop)
    const how = await ending(worker)
    stopping.removeEventListener('abort', stop)
    if (stopping.aborted) return
    if (performance.now() - born > longestPause) pause = shortestPause
    log(`${worker.pid} has ended (${how}), the next one begins in ${pause} ms`)
    await sleep(pause, undefined, { signal: stopping }).catch(() => {})
    pause = Math.min(2 * pause, longestPause)
  }
}

/** How a worker ended, or why it could not be started. */
async function ending(worker: ChildProcess): Promise<string> {
  try {
    const [code, signal] = (await once(worker, 'exit')) as [number | null, NodeJS.Signals | null]
    return signal ?? `code ${code}`
  } catch (error) {
    return String(error)
  }
}

function endWorker(worker: ChildProcess): void {
  worker.kill('SIGTERM')
  const impatient = setTimeout(() => worker.kill('SIGKILL'), patience)
  worker.once('exit', () => clearTimeout(impatient))
}

/** What a worker does: serves until it is told to stop, or its parent has gone, and lets those inside finish. */
export async function serveAsWorker(server: TCPServer | UDPServer): Promise<void> {
  const close = (): void => void server.close({ deadline })
  process.once('SIGTERM', close)
  // Ctrl-C goes to the whole group: parent and workers.
  process.once('SIGINT', close)
  process.once('disconnect', close)
  try {
    await server.listen()
  } catch (error) {
    process.stderr.write(`${process.pid}: ${String(error)}\n`)
    process.exit(1)
  }
  process.send?.(server.address.port)
  await server.serveForever(parallel(answer))
  // The channel to the parent is what still holds the process. A cluster is told first: it may have dealt out a connection
  // that is on its way here, and whose client would wait for ever.
  if (process.connected) (cluster.worker ?? process).disconnect()
}

/** Tells who answers, line by line. */
async function answer({ rfile, wfile }: Request): Promise<void> {
  for await (const line of rfile.lines()) await wfile.write(`${process.pid}: ${line}`)
}

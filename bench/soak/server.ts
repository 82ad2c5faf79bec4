import { subscribe } from 'node:diagnostics_channel'
import { setTimeout as pause } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import type { WorkerEvent } from 'it-socketserver'
import { Deployment } from './deployment.ts'
import type { AnswerMessage, OrderMessage, Orders } from './orders.ts'
import { takeSample } from './sample.ts'

// The process of some servers under load: it does what its parent orders, and says what went wrong that nobody expects.

const complaints: string[] = []
const deployments = new Map<number, Deployment>()
const children = new Set<number>()
const readyThreads = new Set<number>()
const threads = new Map<number, Worker>()
let deployed = 0

process.on('uncaughtException', (error, origin) => {
  complaints.push(`${origin}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
})
process.on('warning', ({ name, message }) => {
  if (name !== 'ExperimentalWarning' && name !== 'DeprecationWarning') complaints.push(`${name}: ${message}`)
})
process.on('disconnect', () => process.exit())
process.on('worker', (worker: Worker) => {
  const { threadId } = worker
  threads.set(threadId, worker)
  worker.once('exit', () => threads.delete(threadId))
})

subscribe('it-socketserver:worker', (message) => {
  const { runner, state } = message as WorkerEvent
  const [ready, number] = runner.threadId === undefined ? [children, runner.pid] : [readyThreads, runner.threadId]
  // One that has not begun yet counts against the starts that may fail in a row.
  if (state === 'ready') ready.add(number)
  else ready.delete(number)
})

function find(id: number): Deployment {
  const deployment = deployments.get(id)
  if (deployment === undefined) throw new Error(`There is no server ${id}`)
  return deployment
}

/** The one at a place from 0 to below 1 */
function at<T>(items: Iterable<T>, place: number): T | undefined {
  const all = [...items]
  return all[Math.floor(place * all.length)]
}

type Does = { [N in keyof Orders]: (details: Orders[N][0]) => Orders[N][1] | Promise<Orders[N][1]> }

const does: Does = {
  async deploy(details) {
    const deployment = new Deployment(details)
    const address = await deployment.listen()
    deployments.set(++deployed, deployment)
    return { id: deployed, address }
  },
  async close({ id, deadline }) {
    const closed = await find(id).close(deadline)
    deployments.delete(id)
    return closed
  },
  suspend({ id }) {
    find(id).server.suspend()
    return undefined
  },
  resume({ id }) {
    find(id).server.resume()
    return undefined
  },
  limits({ id, limits }) {
    const changes = Object.entries(limits).map(([name, value]) => [name, value ?? Number.POSITIVE_INFINITY])
    find(id).server.setLimits(Object.fromEntries(changes))
    return undefined
  },
  turnAway({ id, everybody }) {
    find(id).turnAway(everybody)
    return undefined
  },
  kill({ mode, at: place }) {
    if (mode === 'threads') {
      const id = at(readyThreads, place)
      readyThreads.delete(id ?? -1)
      void threads.get(id ?? -1)?.terminate()
      return id !== undefined
    }
    const pid = at(children, place)
    children.delete(pid ?? -1)
    if (pid !== undefined) process.kill(pid, 'SIGKILL')
    return pid !== undefined
  },
  sample() {
    let open = 0
    for (const { server } of deployments.values()) open += server.stats().open
    return takeSample(open)
  },
  async cpu({ milliseconds }) {
    const [before, since] = [process.cpuUsage(), performance.now()]
    await pause(milliseconds)
    const { user, system } = process.cpuUsage(before)
    return (user + system) / 1e3 / (performance.now() - since)
  },
  complaints() {
    return complaints.splice(0)
  }
}

async function obey({ number, order, details }: OrderMessage): Promise<void> {
  let answer: AnswerMessage
  try {
    answer = { number, answer: await does[order](details as never) }
  } catch (error) {
    answer = { number, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
  process.send?.(answer)
}

process.on('message', (message) => void obey(message as OrderMessage))

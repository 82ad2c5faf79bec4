import { fileURLToPath } from 'node:url'
import type { Load } from './benchmark.ts'
import type { LoadArguments } from './load-arguments.ts'
import type { ServerProcess } from './server-process.ts'
import { TrackedProcess } from './tracked-process.ts'

/** Starts the load generator that is to keep a server busy */
export function startLoad(load: Load, server: ServerProcess): TrackedProcess {
  const module = fileURLToPath(new URL(`./${load.generator}.js`, import.meta.url))
  const told: LoadArguments<unknown> = { port: server.port, serverPid: server.process.pid, options: load.options }
  return new TrackedProcess(process.execPath, [module, JSON.stringify(told)])
}

import type { Side } from './side.ts'
import { TrackedProcess } from './tracked-process.ts'

const startLimit = 10

export interface ServerProcess {
  process: TrackedProcess
  port: number
}

export async function startServer(side: Side): Promise<ServerProcess> {
  const server = new TrackedProcess(side.command, side.args)
  try {
    const line = await server.nextLine(startLimit)
    const port = Number(line)
    if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new Error(`its first line is no port: ${line}`)
    return { process: server, port }
  } catch (error) {
    await server.stop()
    throw new Error(`Cannot start ${side.name}: ${error instanceof Error ? error.message : String(error)}`)
  }
}

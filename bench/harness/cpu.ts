import { readProcStat } from './proc-stat.ts'
import { descendantsOf } from './process-tree.ts'

/**
 * Seconds of processor time that a server has used: its threads, the children that it has waited for, and the living
 * ones, so that a forking server is charged for its work too.
 */
export function serverCPU(pid: number): number {
  const server = readProcStat(pid)
  if (server === undefined) throw new Error(`Cannot read the processor time of the server: process ${pid} has ended`)
  let total = server.own + server.waitedFor
  for (const child of descendantsOf(pid)) {
    const stat = readProcStat(child)
    if (stat !== undefined) total += stat.own + stat.waitedFor
  }
  return total
}

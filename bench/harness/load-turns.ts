import { createInterface } from 'node:readline'
import { serverCPU } from './cpu.ts'
import type { Notes } from './notes.ts'
import { readMachineCPU } from './proc-stat.ts'

/** What a load generator prints after a turn; times in seconds */
export interface TurnReport {
  units: number
  seconds: number
  serverCPU: number
  loadCPU: number
  /** What everything else on the machine used meanwhile */
  otherCPU: number
  /** What the generator has noted, if it is the one to do so */
  notes?: Notes
}

/** What became of a turn: the units, and the notes where there are any */
export type Worked = number | { units: number; notes: Notes }

interface Sample {
  time: number
  server: number
  load: number
  machine: number
}

function sample(serverPid: number): Sample {
  const { user, system } = process.cpuUsage()
  return {
    time: performance.now() / 1e3,
    server: serverCPU(serverPid),
    load: (user + system) / 1e6,
    machine: readMachineCPU()
  }
}

/**
 * Works in turns: a number of seconds comes in as a line on stdin, `work` keeps the server busy for that long and waits
 * until everything is answered, a report goes out as a line on stdout.
 *
 * The generator reads the server's processor time itself, at the very moments between which it counts; and as all is
 * answered at both, a turn is charged with the whole work of its units and with no other.
 */
export async function takeTurns(serverPid: number, work: (until: number) => Worked): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const before = sample(serverPid)
    const worked = work(performance.now() + Number(line) * 1e3)
    const after = sample(serverPid)
    const server = after.server - before.server
    const load = after.load - before.load
    const report: TurnReport = {
      ...(typeof worked === 'number' ? { units: worked } : worked),
      seconds: after.time - before.time,
      serverCPU: server,
      loadCPU: load,
      otherCPU: Math.max(0, after.machine - before.machine - server - load)
    }
    process.stdout.write(`${JSON.stringify(report)}\n`)
  }
}

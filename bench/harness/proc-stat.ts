import { readFileSync } from 'node:fs'

// The kernel reports to user space in hundredths of a second whatever its own tick is.
const ticksPerSecond = 100

export interface ProcStat {
  /** Seconds of user and system time of all its threads, dead ones too */
  own: number
  /** The same of the children it has waited for */
  waitedFor: number
}

export function readProcStat(pid: number): ProcStat | undefined {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'latin1')
  } catch {
    return undefined
  }
  // The second field is the program's name, which may itself hold spaces and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const seconds = (index: number): number => Number(fields[index]) / ticksPerSecond
  return { own: seconds(11) + seconds(12), waitedFor: seconds(13) + seconds(14) }
}

/** Seconds in which any processor was busy or taken away by the hypervisor */
export function readMachineCPU(): number {
  const line = readFileSync('/proc/stat', 'latin1').split('\n', 1)[0] ?? ''
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = line
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number)
  return (user + nice + system + irq + softirq + steal) / ticksPerSecond
}

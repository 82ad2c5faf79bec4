import { readdirSync, readFileSync } from 'node:fs'

/** The children of pools that a process has, by their numbers; none that has died already. */
export function poolChildren(parent = process.pid): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => isPoolChild(pid, parent))
}

/** Whether a process lives: one that has died and was not yet fetched by its parent does not. */
export function isAlive(pid: number): boolean {
  const state = stat(pid)?.[0]
  return state !== undefined && state !== 'Z' && state !== 'X'
}

/** Descriptors that a process has open. */
export function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

function isPoolChild(pid: number, parent: number): boolean {
  const [state, ppid] = stat(pid) ?? []
  if (state === undefined || state === 'Z' || state === 'X' || Number(ppid) !== parent) return false
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('child-entry')
  } catch {
    return false
  }
}

/** What the kernel says of a process, from its state on. */
function stat(pid: number): string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}

import { readdirSync } from 'node:fs'
import { pause } from './pause.ts'

// Half of what waits for a server that is busy, by Node's own default: from there on the kernel drops handshakes, and
// the client tries again after a second.
const atOnce = 256

const patience = 20_000

/**
 * Opens so many connections, and waits now and then, and at the end of many, until the server has accepted them: it has
 * one descriptor more for each.
 */
export function connectMany(count: number, open: () => number, serverPid: number): number[] {
  const before = count < atOnce ? 0 : descriptorsOf(serverPid)
  const fds: number[] = []
  while (fds.length < count) {
    fds.push(open())
    if (count >= atOnce && (fds.length % atOnce === 0 || fds.length === count)) {
      waitForDescriptors(serverPid, before + fds.length)
    }
  }
  return fds
}

function waitForDescriptors(pid: number, wanted: number): void {
  const until = performance.now() + patience
  for (let found = descriptorsOf(pid); found < wanted; found = descriptorsOf(pid)) {
    if (performance.now() > until) {
      throw new Error(`Cannot connect: the server holds ${found} descriptors where ${wanted} were expected`)
    }
    pause(1)
  }
}

function descriptorsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

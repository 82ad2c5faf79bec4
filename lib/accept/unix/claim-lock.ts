import { statSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { basename, dirname } from 'node:path'

// An abstract name of the full length is the same whether or not a version of Node pads it.
const nameLength = 108
// Milliseconds. A claim takes one or two; whoever holds the name for longer is stopped, or means ill.
const pause = 3
const patience = 1_000

/**
 * Do something with a path while no other process of this package claims it. The kernel holds the lock, an abstract name,
 * and takes it back from a process that dies. Elsewhere than on Linux there is none, and nobody waits for longer than a
 * second: what is done has to look before it takes anything away.
 *
 * Any user of the machine who can guess the name can hold it. A claim then takes that second longer and goes on without:
 * what stands at the path is looked at right before it is taken away, so of two that claim at once the later fails, but
 * for the microseconds between that look and the removal. A lock on the folder would be no better: whoever may read a
 * folder can hold it, those of /tmp and /run too.
 *
 * @param absolute - the path; its folder must exist
 * @param claim - what is done
 */
export async function withClaimLock<T>(absolute: string, claim: () => T | Promise<T>): Promise<T> {
  if (process.platform !== 'linux') return claim()
  const lock = await taken(lockName(absolute))
  try {
    return await claim()
  } finally {
    lock?.close()
  }
}

function lockName(absolute: string): string {
  const { dev, ino } = statSync(dirname(absolute), { bigint: true })
  const hash = process
    .getBuiltinModule('node:crypto')
    .createHash('sha256')
    .update(`${dev}:${ino}:${basename(absolute)}`)
    .digest('hex')
  return `\0it-socketserver:claim:${hash}`.padEnd(nameLength, '.')
}

async function taken(path: string): Promise<Server | undefined> {
  for (
    const until = performance.now() + patience;
    ;
    await process.getBuiltinModule('node:timers/promises').setTimeout(pause)
  ) {
    try {
      return await holding(path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || performance.now() > until) return undefined
    }
  }
}

function holding(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((stranger) => stranger.destroy())
    server.once('error', reject)
    // In a worker of node:cluster the primary would listen, and share the name.
    server.listen({ path, exclusive: true }, () => resolve(server))
  })
}

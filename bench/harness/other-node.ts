import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { newestNode } from './runtimes.ts'

/** The binary of a Node by what the command line calls it */
export function nodeBinary(which: string): string {
  if (which === 'newest' && !existsSync(newestNode)) {
    throw new RangeError('Cannot find the newest Node: npm run bench:rivals installs it')
  }
  const binary = which === 'newest' ? newestNode : which
  if (!existsSync(binary)) throw new RangeError(`Cannot take --node: there is no ${binary}`)
  return binary
}

/** Runs the suite, and so all that it starts, on another Node; answers with the exit code */
export async function runOnNode(binary: string, suite: string, args: string[]): Promise<number> {
  const child = spawn(binary, [suite, ...args], { stdio: 'inherit' })
  const forward = (signal: NodeJS.Signals): void => {
    child.kill(signal)
  }
  const signals = ['SIGHUP', 'SIGINT', 'SIGTERM'] as const
  for (const signal of signals) process.on(signal, forward)
  try {
    const [code] = (await once(child, 'close')) as [number | null]
    return code ?? 1
  } finally {
    for (const signal of signals) process.off(signal, forward)
  }
}

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'

const compiled = new URL('../../dist/index.js', import.meta.url)

/** A process that lives as long as a test wants. */
export interface LiveChild {
  readonly pid: number
  /** The next line that it prints, without its end. */
  line(): Promise<string>
  /** Give it a line. */
  say(line: string): void
  /** Send it a signal; nothing where it has gone. */
  signal(name: NodeJS.Signals): void
  /** End it as by a power cut, and wait until it has gone. */
  kill(): Promise<void>
  /** Its exit code, when it ends by itself. */
  ended(): Promise<number | null>
  /** Its exit code, or the signal that it has died of. */
  readonly exited: Promise<readonly [code: number | null, signal: NodeJS.Signals | null]>
}

function live(child: ChildProcess): LiveChild {
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
  const over = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL')
    await over
  }
  onTestFinished(kill)
  return {
    pid: child.pid as number,
    line: async () => {
      const { done, value } = await lines.next()
      if (done === true) throw new Error('The child has ended')
      return value
    },
    say: (line) => void child.stdin?.write(`${line}\n`),
    signal: (name) => void child.kill(name),
    kill,
    ended: async () => {
      child.stdin?.end()
      return (await over)[0]
    },
    exited: over
  }
}

/**
 * Plain JavaScript in a process of its own, which has the compiled package as `lib`; killed after the test. It has the
 * descriptors that it inherits as 3, 4, …, and where it leads a group of processes, that has its number.
 */
export function startChild(
  script: string,
  { inherited = [] as readonly number[], leadsGroup = false, execArgv = [] as readonly string[] } = {}
): LiveChild {
  const source = `import * as lib from ${JSON.stringify(compiled.href)}\n${script}`
  return live(
    spawn(process.execPath, [...execArgv, '--input-type=module', '--eval', source], {
      stdio: ['pipe', 'pipe', 'inherit', ...inherited],
      detached: leadsGroup
    })
  )
}

/** A program of another make; killed after the test. Descriptors and group are as of {@link startChild}. */
export function startProgram(
  command: string,
  args: readonly string[],
  { inherited = [] as readonly number[], leadsGroup = false, env = process.env } = {}
): LiveChild {
  return live(spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit', ...inherited], detached: leadsGroup, env }))
}

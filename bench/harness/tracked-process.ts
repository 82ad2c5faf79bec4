import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { killAtExit } from './kill-at-exit.ts'
import { descendantsOf } from './process-tree.ts'

const patience = 2_000
const keptErrors = 16_384

const running = new Set<TrackedProcess>()

/** A child process that one talks with in lines, and that does not outlive the suite */
export class TrackedProcess {
  readonly exited: Promise<void>
  /** How it ended, once it has */
  ending: string | undefined
  readonly #child: ChildProcess
  readonly #lines: AsyncIterator<string>
  #errors = ''

  constructor(command: string, args: string[]) {
    const child = spawn(command, args, { stdio: 'pipe' })
    this.#child = child
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    running.add(this)
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#errors = (this.#errors + text).slice(-keptErrors)
    })
    // What could not be told to a process that is gone is told by its end.
    child.stdin.on('error', () => {})
    this.exited = new Promise((resolve) => {
      const end = (ending: string): void => {
        this.ending ??= ending
        running.delete(this)
        resolve()
      }
      child.once('error', (error) => end(error.message))
      // 'close' and not 'exit': the last output is in by then
      child.once('close', (code, signal) => end(signal === null ? `exit code ${code}` : `signal ${signal}`))
    })
  }

  get pid(): number {
    return this.#child.pid ?? -1
  }

  tell(line: string): void {
    this.#child.stdin?.write(`${line}\n`)
  }

  /** Waits for its next line; one that keeps us waiting for more than so many seconds is killed */
  async nextLine(limit: number): Promise<string> {
    let late = false
    const timer = setTimeout(() => {
      late = true
      this.killNow()
    }, limit * 1e3)
    const next = await this.#lines.next()
    clearTimeout(timer)
    if (next.done !== true) return next.value
    await this.exited
    throw new Error(late ? `no line came within ${limit} s` : `it ended: ${this.describeEnd()}`)
  }

  describeEnd(): string {
    return [this.ending ?? 'still running', this.#errors.trim()].filter((part) => part !== '').join('\n')
  }

  async stop(): Promise<void> {
    if (this.ending !== undefined) return
    const family = descendantsOf(this.pid)
    const timer = setTimeout(() => this.killNow(), patience)
    this.#child.kill('SIGTERM')
    for (const pid of family) kill(pid)
    await this.exited
    clearTimeout(timer)
  }

  killNow(): void {
    for (const pid of descendantsOf(this.pid)) kill(pid)
    this.#child.kill('SIGKILL')
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // it has ended by itself
  }
}

/** Makes sure that nothing is left behind, however the suite ends */
export function stopAllAtExit(): void {
  killAtExit(running)
}

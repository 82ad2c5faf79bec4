import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { killAtExit } from '../harness/kill-at-exit.ts'
import { descendantsOf } from '../harness/process-tree.ts'
import type { AnswerMessage, Order, OrderMessage, Orders } from './orders.ts'

const script = fileURLToPath(new URL('./server.js', import.meta.url))
const patience = 90_000

interface Waiting {
  resolve(answer: unknown): void
  reject(error: Error): void
}

const alive = new Set<ServerChild>()

/** The process of some servers, which is given orders */
export class ServerChild {
  readonly name: string
  /** What it and its children have printed: nothing, where all is well */
  printed = ''
  readonly #process: ChildProcess
  readonly #waiting = new Map<number, Waiting>()
  #asked = 0
  #ending: string | undefined

  /**
   * @param name - of the group of servers that it has
   * @param descriptors - how many it may have
   */
  constructor(name: string, descriptors?: number) {
    this.name = name
    const node = [process.execPath, script]
    const [command = '', ...args] = descriptors === undefined ? node : ['prlimit', `--nofile=${descriptors}`, ...node]
    this.#process = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe', 'ipc'] })
    alive.add(this)
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.printed = (this.printed + text).slice(0, 4_096)
      })
    }
    this.#process.on('message', (message) => this.#answered(message as AnswerMessage))
    this.#process.once('error', (error) => this.#ended(error.message))
    this.#process.once('exit', (code, signal) => this.#ended(signal ?? `exit code ${code}`))
  }

  get pid(): number {
    return this.#process.pid ?? -1
  }

  /** How it has ended, where it was not told to */
  get ending(): string | undefined {
    return this.#ending
  }

  ask<N extends Order>(order: N, details: Orders[N][0]): Promise<Orders[N][1]> {
    if (this.#ending !== undefined) return Promise.reject(new Error(`${this.name} has ended: ${this.#ending}`))
    const number = ++this.#asked
    return new Promise<unknown>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting
          .get(number)
          ?.reject(new Error(`${this.name} has not done its order ${order} for ${patience / 1e3} s`))
      }, patience)
      const over = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(number)
      }
      this.#waiting.set(number, {
        resolve(answer) {
          over()
          resolve(answer)
        },
        reject(error) {
          over()
          reject(error)
        }
      })
      this.#process.send({ number, order, details } satisfies OrderMessage)
    }) as Promise<Orders[N][1]>
  }

  /** Ends it; answers with the numbers of the processes that it leaves behind */
  async stop(): Promise<number[]> {
    const family = descendantsOf(this.pid)
    if (this.#ending === undefined) {
      const exited = once(this.#process, 'exit')
      this.#process.disconnect()
      const timer = setTimeout(() => this.killNow(), 5_000)
      await exited
      clearTimeout(timer)
    }
    alive.delete(this)
    return family
  }

  killNow(): void {
    this.#process.kill('SIGKILL')
  }

  #answered({ number, answer, error }: AnswerMessage): void {
    const waiting = this.#waiting.get(number)
    if (error === undefined) waiting?.resolve(answer)
    else waiting?.reject(new Error(`${this.name}: ${error}`))
  }

  #ended(ending: string): void {
    this.#ending ??= ending
    for (const { reject } of [...this.#waiting.values()])
      reject(new Error(`${this.name} has ended: ${ending}\n${this.printed}`))
  }
}

/** Makes sure that no server is left behind, however the soak ends */
export function stopServersAtExit(): void {
  killAtExit(alive)
}

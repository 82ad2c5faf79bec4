import { type ChildProcess, fork } from 'node:child_process'
import type { Parcel } from '../../accept/stream/parcel.ts'
import type { Runner } from '../../outcome.ts'
import type { ChildOptions } from './child-options.ts'
import { entry } from './entry-url.ts'
import { inheritedFlags } from './inherited-flags.ts'
import type { PoolMessage, WorkerMessage } from './messages.ts'
import { Worker, type WorkerHost } from './worker.ts'

/** A child process. Sockets are passed by Node's channel, and stay open here until the child has claimed them. */
export class ChildWorker extends Worker {
  readonly runner: Runner
  readonly passesBy = 'socket'
  // Node waits for an acknowledgement of each.
  readonly mostOffered = 1
  readonly #child: ChildProcess
  #exited: string | undefined
  #disconnected = false
  #isGone = false

  /**
   * @param moduleURL - the handler's module
   * @param options - how it is started
   * @param host - who is told what becomes of it
   */
  constructor(moduleURL: string, { env, execArgv }: ChildOptions, host: WorkerHost) {
    super(host)
    const child = fork(entry('child'), [moduleURL, String(process.pid)], {
      serialization: 'advanced',
      execArgv: [...(execArgv ?? inheritedFlags(process.execArgv))],
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      ...(env !== undefined && { env })
    })
    this.#child = child
    this.runner = { pid: child.pid ?? 0 }
    child.on('message', (message) => host.heard(this, message as WorkerMessage))
    child.on('error', (error) => {
      this.lastWords ??= error
      // It was never there.
      if (child.pid === undefined) this.#ended('could not be started')
    })
    child.on('exit', (code, signal) =>
      this.#ended(signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`)
    )
    child.on('disconnect', () => {
      this.#disconnected = true
      if (this.#exited !== undefined) this.#gone()
      // It can't be told anything any more.
      else if (!this.isLeaving) this.kill()
    })
  }

  override send(message: PoolMessage, parcel?: Parcel): void {
    if (!this.#child.connected) return
    // Where it can't be sent the child is dying: its end tells.
    this.#child.send(message, parcel?.socket, { keepOpen: true }, () => {})
  }

  override kill(): void {
    this.#child.kill('SIGKILL')
  }

  override hold(on: boolean): void {
    const { channel } = this.#child
    if (on) {
      this.#child.ref()
      channel?.ref()
    } else {
      this.#child.unref()
      channel?.unref()
    }
  }

  #ended(how: string): void {
    this.#exited = how
    // What it had said before is heard before that.
    if (this.#disconnected || this.#child.pid === undefined || !this.#child.connected) this.#gone()
  }

  #gone(): void {
    if (this.#isGone) return
    this.#isGone = true
    this.host.gone(this, this.#exited as string)
  }
}

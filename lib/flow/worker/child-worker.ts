import type { ChildProcess } from 'node:child_process'
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
  #isGone = false

  /**
   * @param moduleURL - the handler's module
   * @param options - how it is started
   * @param host - who is told what becomes of it
   */
  constructor(moduleURL: string, { env, execArgv }: ChildOptions, host: WorkerHost) {
    super(host)
    const child = process
      .getBuiltinModule('node:child_process')
      .fork(entry('child'), [moduleURL, String(process.pid)], {
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
      if (child.pid === undefined) this.#gone('could not be started')
    })
    // Its end and that of its channel: what it had said before was heard before that. Of the channel alone 'disconnect' would
    // tell, but never where it ended before a socket that was sent has been acknowledged.
    child.on('close', (code, signal) =>
      this.#gone(signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`)
    )
    child.on('disconnect', () => {
      // It can't be told anything any more.
      if (!this.isLeaving) this.kill()
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

  #gone(how: string): void {
    if (this.#isGone) return
    this.#isGone = true
    this.host.gone(this, how)
  }
}

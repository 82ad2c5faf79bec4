import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { closeEnd, DescriptorChannel, openChannel } from '../../accept/native/descriptor-channel.ts'
import type { Parcel } from '../../accept/stream/parcel.ts'
import { type Runner, toError } from '../../outcome.ts'
import type { ChildOptions } from './child-options.ts'
import { entry } from './entry-url.ts'
import { inheritedFlags } from './inherited-flags.ts'
import { decode, encode, parted } from './message-codec.ts'
import type { PoolMessage, WorkerMessage } from './messages.ts'
import { Worker, type WorkerHost } from './worker.ts'

// What it says in one go: a request's value, or its reply, may be long, but not without end.
const longestMessage = 2 ** 28

/**
 * A child process by system calls: connections are passed as bare descriptors, by a channel of our own. That costs a tenth
 * of Node's, a message is the kernel's when it was sent, and a child that has no room for a descriptor says so.
 */
export class PassedChild extends Worker {
  readonly runner: Runner
  readonly passesBy = 'descriptor'
  readonly mostOffered = 16
  readonly #child: ChildProcess
  readonly #channel: DescriptorChannel
  #isGone = false
  // Requests on their way that the kernel had no room for yet.
  #unsent = 0

  /**
   * @param moduleURL - the handler's module
   * @param options - how it is started
   * @param host - who is told what becomes of it
   */
  constructor(moduleURL: string, { env, execArgv }: ChildOptions, host: WorkerHost) {
    super(host)
    const [here, there] = openChannel()
    let channel: DescriptorChannel | undefined
    try {
      // Before the child: one that nobody can hear would never end.
      channel = new DescriptorChannel(
        here,
        {
          longest: longestMessage,
          message: (bytes, fd) => {
            if (fd >= 0) closeEnd(fd)
            this.#heard(bytes)
          },
          // It has closed its end, and can't be told anything any more.
          ended: (error) => this.#end(error)
        },
        false
      )
      this.#child = process
        .getBuiltinModule('node:child_process')
        .spawn(
          process.execPath,
          [
            ...(execArgv ?? inheritedFlags(process.execArgv)),
            fileURLToPath(entry('passed-child')),
            moduleURL,
            String(process.pid)
          ],
          {
            stdio: ['ignore', 'inherit', 'inherit', there],
            ...(env !== undefined && { env })
          }
        )
    } catch (error) {
      channel?.close()
      throw error
    } finally {
      closeEnd(there)
    }
    this.#channel = channel
    this.runner = { pid: this.#child.pid ?? 0 }
    this.#child.on('error', (error) => {
      this.lastWords ??= error
      // It was never there.
      if (this.#child.pid === undefined) this.#gone('could not be started')
    })
    this.#child.on('exit', (code, signal) =>
      this.#gone(signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`)
    )
  }

  override send(message: PoolMessage, parcel?: Parcel): void {
    if (message.type !== 'take') {
      this.#channel.send(encode(message))
      return
    }
    // One that claims what it has not read would be sent more and more, each with a descriptor that is kept here till then.
    if (++this.#unsent > this.mostOffered) this.#end(new TypeError('It claimed what it was not sent'))
    else this.#channel.send(encode(message), parcel?.descriptor ?? -1, this.#sent)
  }

  override kill(): void {
    this.#child.kill('SIGKILL')
  }

  override hold(on: boolean): void {
    if (on) this.#child.ref()
    else this.#child.unref()
  }

  #heard(bytes: Buffer): void {
    let messages: WorkerMessage[]
    try {
      messages = Array.from(parted(bytes), decode) as WorkerMessage[]
    } catch (error) {
      // Something of its module has written to a number that it took for its own.
      this.#end(toError(error))
      return
    }
    for (const message of messages) this.host.heard(this, message)
  }

  readonly #sent = (): void => {
    this.#unsent--
  }

  #end(why?: Error): void {
    this.lastWords ??= why
    this.kill()
  }

  #gone(how: string): void {
    if (this.#isGone) return
    this.#isGone = true
    // All that it has ever said is here.
    this.#channel.drain()
    this.#channel.close()
    this.host.gone(this, how)
  }
}

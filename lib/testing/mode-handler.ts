import { request as ask } from 'node:http'
import { threadId } from 'node:worker_threads'
import { BaseRequestHandler } from '../handler/base.ts'

/** What {@link ModeHandler} returns: what it was given, and where it ran. */
export interface Ran {
  readonly name: string
  readonly pid: number
  readonly threadId: number
}

/**
 * What serves in {@link checkMode}, here or in a child or a thread. The input says what it does, the port of the case's
 * {@link ModeGate}, and a name: `echo 40001 first`. The default export, as of every handler's module.
 */
export default class ModeHandler extends BaseRequestHandler {
  #does = ''
  #port = 0
  #name = ''

  override async setup(): Promise<void> {
    const [does = '', port = '', name = ''] = (await this.rfile.readAll()).toString().trim().split(' ')
    this.#does = does
    this.#port = Number(port)
    this.#name = name
    if (does === 'setup') throw failure(does)
  }

  override handle(): unknown {
    switch (this.#does) {
      case 'echo':
        return this.#echo()
      case 'gate':
        return this.#gate()
      case 'stopping':
        return this.#untilStopping()
      case 'for-ever':
        return this.#forEver()
      case 'throw':
      case 'handle-and-finish':
        throw failure(this.#does)
      case 'reject':
        return Promise.reject(failure(this.#does))
      case 'text':
        return thrown('a text')
      case 'nothing':
        return thrown(undefined)
      case 'abort':
        this.request.abort(failure(this.#does))
        return this.#ran()
      case 'half':
        return this.#half()
      case 'empty':
        return this.wfile.write('').then(() => this.#ran())
      default:
        return this.#ran()
    }
  }

  override finish(): void {
    if (this.#does === 'finish' || this.#does === 'handle-and-finish') throw failure('finish')
  }

  #ran(): Ran {
    return { name: this.#name, pid: process.pid, threadId }
  }

  async #echo(): Promise<Ran> {
    await this.wfile.write(this.#name)
    return this.#ran()
  }

  async #gate(): Promise<Ran> {
    await this.#say('gate', this.#name)
    return this.#echo()
  }

  async #untilStopping(): Promise<Ran> {
    const { stopping } = this.request
    await this.#say('note', 'inside')
    if (!stopping.aborted) await aborted(stopping)
    await this.#say('note', 'stopping')
    return this.#echo()
  }

  async #forEver(): Promise<Ran> {
    const { signal } = this.request
    await this.#say('note', 'inside')
    if (!signal.aborted) await aborted(signal)
    await this.#say('note', String((signal.reason as { readonly cause?: unknown }).cause))
    return this.#ran()
  }

  async #half(): Promise<never> {
    await this.wfile.write('half an ans')
    throw failure(this.#does)
  }

  /** Settles when the kit has answered. */
  #say(what: 'gate' | 'note', text: string): Promise<void> {
    return new Promise((resolve, reject) => {
      ask({ host: '127.0.0.1', port: this.#port, path: `/${what}/${text}`, agent: false }, (response) => {
        response.resume().on('end', resolve)
      })
        .on('error', reject)
        .end()
    })
  }
}

function failure(what: string): RangeError {
  return Object.assign(new RangeError(`failed: ${what}`), { code: 'ERR_KIT', detail: 7 })
}

async function thrown(what: unknown): Promise<never> {
  throw what
}

function aborted(signal: AbortSignal): Promise<unknown> {
  return new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
}

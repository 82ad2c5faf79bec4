import { createServer, type ServerResponse } from 'node:http'
import type { Trial } from './trial.ts'

interface Inside {
  readonly name: string
  readonly response: ServerResponse
}

/**
 * Where handlers of a case wait until they are let go, and tell what they have seen, in whatever process or thread they
 * run: {@link ModeHandler} asks by HTTP.
 */
export class ModeGate {
  readonly #server = createServer((request, response) => this.#came(request.url ?? '', response))
  readonly #inside: Inside[] = []
  #open = false
  /** The most that were inside at once. */
  most = 0
  /** What handlers have told. */
  readonly notes: string[] = []

  /** A gate, closed at the end of the case. */
  static async made(trial: Trial): Promise<ModeGate> {
    const gate = new ModeGate()
    const listening = new Promise((resolve, reject) => {
      gate.#server.once('error', reject).listen(0, '127.0.0.1', () => resolve(undefined))
    })
    trial.after(() => {
      gate.open()
      gate.#server.close()
    })
    await trial.soon('the gate of the kit is built', listening)
    return gate
  }

  /** Where handlers ask. */
  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' ? (address?.port ?? 0) : 0
  }

  /** Who is inside, in the order in which they came. */
  get inside(): readonly string[] {
    return this.#inside.map(({ name }) => name)
  }

  /** Let one go: who came first, where no other is named. */
  letGo(name = this.#inside[0]?.name): void {
    const at = this.#inside.findIndex((one) => one.name === name)
    if (at !== -1) this.#inside.splice(at, 1)[0]?.response.end()
  }

  /** Let all go, and who comes later. */
  open(): void {
    this.#open = true
    for (const { response } of this.#inside.splice(0)) response.end()
  }

  #came(url: string, response: ServerResponse): void {
    const [, what, name = ''] = url.split('/')
    if (what === 'note') this.notes.push(name)
    if (what === 'note' || this.#open) {
      response.end()
      return
    }
    const one: Inside = { name, response }
    this.#inside.push(one)
    this.most = Math.max(this.most, this.#inside.length)
    response.on('close', () => {
      const at = this.#inside.indexOf(one)
      if (at !== -1) this.#inside.splice(at, 1)
    })
  }
}

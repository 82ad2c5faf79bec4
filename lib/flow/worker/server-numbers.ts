import type { RequestServer } from '../../request.ts'

/** A number for each server whose requests a pool serves: workers know them by that. */
export class ServerNumbers {
  readonly #numbers = new WeakMap<RequestServer, number>()
  // Those that have not begun to close.
  readonly #servers = new Map<number, { readonly server: RequestServer; readonly stopped: () => void }>()
  readonly #stopping: (server: number) => void
  #last = 0

  /** @param stopping - called when one begins to close */
  constructor(stopping: (server: number) => void) {
    this.#stopping = stopping
  }

  /** The number of a server. */
  numberOf(server: RequestServer): number {
    const its = this.#numbers.get(server)
    if (its !== undefined) return its
    const number = ++this.#last
    this.#numbers.set(server, number)
    if (server.stopping.aborted) return number
    const stopped = (): void => {
      this.#servers.delete(number)
      this.#stopping(number)
    }
    this.#servers.set(number, { server, stopped })
    server.stopping.addEventListener('abort', stopped, { once: true })
    return number
  }

  /** A handler has asked to close its server; one that closes already goes on with that. */
  async close({ server, deadline }: { readonly server: number; readonly deadline: number | undefined }): Promise<void> {
    try {
      await this.#servers.get(server)?.server.close(deadline === undefined ? {} : { deadline })
    } catch {
      // Of what goes wrong the server tells; of a deadline that is none, nobody has to.
    }
  }

  /** No more will come: a server that goes on has nothing of the pool any more. */
  end(): void {
    for (const { server, stopped } of this.#servers.values()) server.stopping.removeEventListener('abort', stopped)
    this.#servers.clear()
  }
}

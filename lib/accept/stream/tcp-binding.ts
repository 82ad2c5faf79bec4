import type { ListenOptions, Server } from 'node:net'
import type { StreamBinding } from './stream-binding.ts'

/** TCP by `node:net`. */
export class TCPBinding implements StreamBinding {
  readonly where: string
  readonly backlog: number
  readonly clientAddress = undefined
  readonly #target: ListenOptions

  /**
   * @param target - host and port
   * @param where - as people write them
   */
  constructor(target: ListenOptions & { backlog: number }, where: string) {
    this.#target = target
    this.where = where
    this.backlog = target.backlog
  }

  open(server: Server): Promise<undefined> {
    return listening(server, this.#target)
  }

  leave(): void {}
}

/** Listens; rejects with the system's error. */
export function listening(server: Server, target: ListenOptions & { fd?: number }): Promise<undefined> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(target, () => {
      server.off('error', reject)
      resolve(undefined)
    })
  })
}

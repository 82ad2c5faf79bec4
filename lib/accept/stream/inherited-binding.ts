import { closeOriginal, copySocket, describe, listenOn } from '../native/inherited-socket.ts'
import { libc } from '../native/libc.ts'
import type { NativeBinding } from '../native/native-binding.ts'
import type { InheritedListenerOptions } from './stream-options.ts'

/** A stream socket that was made elsewhere, by libc. */
export class InheritedBinding implements NativeBinding {
  readonly where: string
  readonly isShared = true
  readonly #kind: 'TCP socket' | 'Unix stream socket'
  readonly #options: InheritedListenerOptions

  /**
   * @param kind - what it must be
   * @param options - which it is
   */
  constructor(kind: 'TCP socket' | 'Unix stream socket', options: InheritedListenerOptions) {
    this.#kind = kind
    this.#options = options
    this.where = describe(options.fd)
  }

  async open(): Promise<number> {
    const { fd, backlog, keepsBacklog } = this.#options
    const copy = copySocket(fd, this.#kind)
    try {
      listenOn(copy, backlog, keepsBacklog)
    } catch (error) {
      libc().close(copy)
      throw error
    }
    return copy
  }

  // Its path is that of whoever made it.
  leave(copy: number): void {
    closeOriginal(this.#options.fd, copy)
  }
}

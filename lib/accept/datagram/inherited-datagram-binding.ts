import { closeOriginal, describe } from '../native/inherited-socket.ts'
import type { DatagramBinding } from './datagram-binding.ts'
import type { InheritedDatagramOptions } from './datagram-options.ts'
import { inheritedDatagramSocket } from './datagram-socket.ts'
import { largestDatagram } from './unix-datagram-binding.ts'

/** A Unix datagram socket that was made elsewhere, by libc. */
export class InheritedDatagramBinding implements DatagramBinding {
  readonly where: string
  readonly isShared = true
  readonly largest = largestDatagram()
  readonly peersFill = true
  readonly #options: InheritedDatagramOptions

  /** @param options - which it is */
  constructor(options: InheritedDatagramOptions) {
    this.#options = options
    this.where = describe(options.fd)
  }

  async open(): Promise<number> {
    return inheritedDatagramSocket(this.#options.fd, 'Unix datagram socket', this.#options)
  }

  // Its path is that of whoever made it, and others may go on receiving.
  leave(copy: number): void {
    closeOriginal(this.#options.fd, copy)
  }
}

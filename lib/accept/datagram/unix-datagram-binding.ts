import { readFileSync } from 'node:fs'
import { formatPath } from '../../address.ts'
import { bindSocket } from '../native/bind-socket.ts'
import { libc } from '../native/libc.ts'
import { AF_UNIX, encodeUnix } from '../native/sockaddr.ts'
import { bindOwned, checkLength, isAbstract, UnixPath, type UnixPathOptions } from '../unix/unix-path.ts'
import type { DatagramBinding } from './datagram-binding.ts'
import type { DatagramListenerOptions } from './datagram-options.ts'
import { datagramSocket } from './datagram-socket.ts'

const SHUT_RD = 0

/** A Unix datagram socket by libc. */
export class UnixDatagramBinding implements DatagramBinding {
  readonly where: string
  readonly isShared = false
  readonly largest = largestDatagram()
  readonly peersFill = true
  readonly #options: UnixPathOptions & DatagramListenerOptions
  #path: UnixPath | undefined

  /** @param options - where, and whose */
  constructor(options: UnixPathOptions & DatagramListenerOptions) {
    this.#options = options
    this.where = formatPath(options.path)
  }

  async open(): Promise<number> {
    const { path, mode, uid, gid } = this.#options
    checkLength(path)
    return datagramSocket(AF_UNIX, this.#options, async (fd) => {
      if (isAbstract(path)) {
        bindSocket(fd, encodeUnix(path))
        return
      }
      // The file is made with these permissions, less the umask: none for a group, or for others, that are not theirs yet.
      const isGiven = uid !== undefined || gid !== undefined
      if (mode !== undefined) libc().fchmod(fd, isGiven ? mode & 0o700 : mode)
      this.#path = await UnixPath.claim(path, (name, absolute) =>
        bindOwned(absolute, this.#options, () => bindSocket(fd, encodeUnix(name)))
      )
    })
  }

  // Senders hear of it at once, connected ones too, instead of filling a queue that nobody reads.
  leave(fd: number): void {
    try {
      this.#path?.remove()
    } finally {
      libc().shutdown(fd, SHUT_RD)
    }
  }
}

/** The kernel's bound on the buffer of a sender, which it doubles, holds a whole datagram. */
export function largestDatagram(): number {
  try {
    return 2 * Number(readFileSync('/proc/sys/net/core/wmem_max', 'utf8'))
  } catch {
    return 2 ** 20
  }
}

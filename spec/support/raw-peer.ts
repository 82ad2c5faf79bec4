import koffi from 'koffi'
import { onTestFinished } from 'vitest'
import { libc } from '../../lib/accept/native/libc.ts'
import { AF_INET, AF_UNIX, encodeInternet } from '../../lib/accept/native/sockaddr.ts'
import { SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } from '../../lib/accept/native/socket-type.ts'

const c = koffi.load(null)
const socketpair = c.func('int socketpair(int, int, int, void *)')
const sendmsg = c.func('intptr_t sendmsg(int, void *, int)')

const [MSG_OOB, MSG_DONTWAIT, MSG_NOSIGNAL] = [0x1, 0x40, 0x4000]
const [SOL_SOCKET, SO_LINGER, SCM_RIGHTS] = [1, 13, 1]
const SHUT_WR = 1

function checked(call: string, result: number): number {
  if (result < 0) throw libc().error(call)
  return result
}

/** The other end of a connection, by system calls: nothing of it happens later than it is said. Closed after the test. */
export class RawPeer {
  #fd: number
  readonly #slab = Buffer.alloc(65_536)

  constructor(fd: number) {
    this.#fd = fd
    onTestFinished(() => this.close())
  }

  get fd(): number {
    return this.#fd
  }

  send(text: string, flags = 0): void {
    checked('send', libc().send(this.#fd, Buffer.from(text), Buffer.byteLength(text), MSG_NOSIGNAL | flags))
  }

  /** Send a byte past all that is in order. */
  sendUrgent(text: string): void {
    this.send(text, MSG_OOB)
  }

  /** Send bytes, and a descriptor along with them. */
  sendWithDescriptor(text: string): void {
    const bytes = Buffer.from(text)
    const piece = Buffer.alloc(16)
    libc().pointerTo(bytes).copy(piece)
    piece.writeBigUInt64LE(BigInt(bytes.length), 8)
    const control = Buffer.alloc(24)
    control.writeBigUInt64LE(20n, 0)
    control.writeInt32LE(SOL_SOCKET, 8)
    control.writeInt32LE(SCM_RIGHTS, 12)
    control.writeInt32LE(this.#fd, 16)
    const message = Buffer.alloc(56)
    libc().pointerTo(piece).copy(message, 16)
    message.writeBigUInt64LE(1n, 24)
    libc().pointerTo(control).copy(message, 32)
    message.writeBigUInt64LE(24n, 40)
    checked('sendmsg', sendmsg(this.#fd, message, MSG_NOSIGNAL))
  }

  /** What has come: empty where the other end has ended, `undefined` where nothing is there. */
  receive(): Buffer | undefined {
    const size = libc().recv(this.#fd, this.#slab, this.#slab.length, MSG_DONTWAIT)
    return size < 0 ? undefined : Buffer.from(this.#slab.subarray(0, size))
  }

  end(): void {
    checked('shutdown', libc().shutdown(this.#fd, SHUT_WR))
  }

  /** Close, and have the other end hear of a reset. */
  reset(): void {
    const linger = Buffer.alloc(8)
    linger.writeInt32LE(1)
    checked('setsockopt', libc().setsockopt(this.#fd, SOL_SOCKET, SO_LINGER, linger, linger.length))
    this.close()
  }

  close(): void {
    if (this.#fd >= 0) libc().close(this.#fd)
    this.#fd = -1
  }
}

/** A connection: the descriptor of one end, which never blocks and is nobody's, and the other end. */
export interface RawPair {
  readonly fd: number
  readonly peer: RawPeer
}

export function unixPair(): RawPair {
  const fds = new Int32Array(2)
  checked('socketpair', socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds))
  return { fd: fds[0] as number, peer: new RawPeer(fds[1] as number) }
}

export function tcpPair(): RawPair {
  const { accept4, bind, close, connect, getsockname, listen, socket } = libc()
  const listener = checked('socket', socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))
  try {
    const address = encodeInternet('127.0.0.1', 0)
    checked('bind', bind(listener, address, address.length))
    checked('listen', listen(listener, 1))
    checked('getsockname', getsockname(listener, address, new Int32Array([address.length])))
    const peer = new RawPeer(checked('socket', socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)))
    checked('connect', connect(peer.fd, address, address.length))
    const fd = checked('accept4', accept4(listener, null, null as never, SOCK_NONBLOCK | SOCK_CLOEXEC))
    return { fd, peer }
  } finally {
    close(listener)
  }
}

import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { formatHost } from '../../address.ts'
import { bindSocket } from '../native/bind-socket.ts'
import { libc } from '../native/libc.ts'
import { AF_INET, AF_INET6, encodeInternet } from '../native/sockaddr.ts'
import { setOption, socketOptions } from '../native/socket-options.ts'
import { SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_STREAM } from '../native/socket-type.ts'
import type { NativeBinding } from './native-binding.ts'
import type { TCPListenerOptions } from './stream-options.ts'

const SO_REUSEADDR = [1, 2] as const
const IPV6_V6ONLY = [41, 26] as const

/** TCP by libc. */
export class NativeTCPBinding implements NativeBinding {
  readonly where: string
  readonly #options: TCPListenerOptions

  /** @param options - where and how */
  constructor(options: TCPListenerOptions) {
    this.#options = options
    this.where = formatHost(options.host, options.port)
  }

  async open(): Promise<number> {
    const { host, port, ipv6Only, reusePort, backlog } = this.#options
    const numeric = isIP(host) === 0 ? (await lookup(host)).address : host
    const six = numeric.includes(':')
    const { close, error, listen, socket } = libc()
    const fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
    if (fd < 0) throw error('socket')
    try {
      // As libuv does: connections of a server before, which linger in the kernel, are no obstacle.
      setOption(fd, SO_REUSEADDR, 1)
      if (reusePort) setOption(fd, socketOptions.reusePort, 1)
      if (six) setOption(fd, IPV6_V6ONLY, ipv6Only ? 1 : 0)
      bindSocket(fd, encodeInternet(numeric, port))
      if (listen(fd, backlog) !== 0) throw error('listen')
      return fd
    } catch (trouble) {
      close(fd)
      throw trouble
    }
  }

  leave(): void {}
}

import { formatHost } from '../../address.ts'
import { numericHost } from '../address/numeric-host.ts'
import { bindSocket } from '../native/bind-socket.ts'
import { libc } from '../native/libc.ts'
import type { NativeBinding } from '../native/native-binding.ts'
import { openSocket } from '../native/open-socket.ts'
import { AF_INET, AF_INET6, encodeInternet } from '../native/sockaddr.ts'
import { setOption, socketOptions } from '../native/socket-options.ts'
import { SOCK_STREAM } from '../native/socket-type.ts'
import type { TCPListenerOptions } from './stream-options.ts'

/** TCP by libc. */
export class NativeTCPBinding implements NativeBinding {
  readonly where: string
  readonly isShared = false
  readonly #options: TCPListenerOptions

  /** @param options - where and how */
  constructor(options: TCPListenerOptions) {
    this.#options = options
    this.where = formatHost(options.host, options.port)
  }

  async open(): Promise<number> {
    const { host, port, ipv6Only, reusePort, reuseAddress, backlog } = this.#options
    const numeric = await numericHost(host)
    const six = numeric.includes(':')
    return openSocket(six ? AF_INET6 : AF_INET, SOCK_STREAM, (fd) => {
      if (reuseAddress) setOption(fd, socketOptions.reuseAddress, 1)
      if (reusePort) setOption(fd, socketOptions.reusePort, 1)
      if (six) setOption(fd, socketOptions.ipv6Only, ipv6Only ? 1 : 0)
      bindSocket(fd, encodeInternet(numeric, port))
      if (libc().listen(fd, backlog) !== 0) throw libc().error('listen')
    })
  }

  leave(): void {}
}

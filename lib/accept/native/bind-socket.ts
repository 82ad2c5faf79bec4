import type { Address } from '../../address.ts'
import { libc } from './libc.ts'
import { decodeAddress, longestSockaddr } from './sockaddr.ts'

/** Bind a socket to an address in the kernel's form. */
export function bindSocket(fd: number, address: Buffer): void {
  if (libc().bind(fd, address, address.length) !== 0) throw libc().error('bind')
}

/** Where a socket is bound. */
export function boundAddress(fd: number): Address {
  const address = Buffer.alloc(longestSockaddr)
  const length = new Int32Array([longestSockaddr])
  libc().getsockname(fd, address, length)
  return decodeAddress(address, length[0] as number)
}

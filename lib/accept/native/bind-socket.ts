import { libc } from './libc.ts'

/** Bind a socket to an address in the kernel's form. */
export function bindSocket(fd: number, address: Buffer): void {
  if (libc().bind(fd, address, address.length) !== 0) throw libc().error('bind')
}

import { libc } from '../native/libc.ts'
import { SOCK_CLOEXEC, SOCK_DGRAM, SOCK_NONBLOCK } from '../native/socket-type.ts'
import type { DatagramLimits } from './datagram-options.ts'

const SOL_SOCKET = 1
const SO_BROADCAST = 6
const SO_SNDBUF = 7
const SO_RCVBUF = 8
const SO_REUSEPORT = 15
const SO_ATTACH_FILTER = 26

/** Options by the names that people know, for `setOption`. */
export const socketOptions = {
  broadcast: [SOL_SOCKET, SO_BROADCAST],
  sendBufferSize: [SOL_SOCKET, SO_SNDBUF],
  receiveBufferSize: [SOL_SOCKET, SO_RCVBUF],
  reusePort: [SOL_SOCKET, SO_REUSEPORT]
} as const

/** Set an option of a socket to a number, or to bytes. */
export function setOption(fd: number, [level, name]: readonly [number, number], value: number | Buffer): void {
  let bytes = value
  if (typeof bytes === 'number') {
    bytes = Buffer.alloc(4)
    bytes.writeInt32LE(value as number)
  }
  if (libc().setsockopt(fd, level, name, bytes, bytes.length) !== 0) throw libc().error('setsockopt')
}

/**
 * A bound datagram socket that never blocks.
 *
 * @param family - AF_INET, AF_INET6 or AF_UNIX
 * @param limits - its buffers
 * @param prepare - sets options and binds; where it throws the descriptor is closed
 */
export async function datagramSocket(
  family: number,
  limits: DatagramLimits,
  prepare: (fd: number) => void | Promise<void>
): Promise<number> {
  const fd = libc().socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)
  if (fd < 0) throw libc().error('socket')
  try {
    const { receiveBufferSize, sendBufferSize } = limits
    if (receiveBufferSize !== undefined) setOption(fd, socketOptions.receiveBufferSize, receiveBufferSize)
    if (sendBufferSize !== undefined) setOption(fd, socketOptions.sendBufferSize, sendBufferSize)
    await prepare(fd)
  } catch (error) {
    libc().close(fd)
    throw error
  }
  return fd
}

// The program of a packet filter that keeps 0 bytes of each: BPF_RET | BPF_K, 0.
const keepNothing = Buffer.from([0x06, 0, 0, 0, 0, 0, 0, 0])

/** From now on the kernel drops what comes; what has come can still be received. */
export function refuseMore(fd: number): void {
  // struct sock_fprog: how many instructions, then where they are.
  const pointer = libc().pointerTo(keepNothing)
  const program = Buffer.alloc(2 * pointer.length)
  program.writeUInt16LE(1)
  program.set(pointer, pointer.length)
  setOption(fd, [SOL_SOCKET, SO_ATTACH_FILTER], program)
}

/** Bind a socket to an address in the kernel's form. */
export function bindSocket(fd: number, address: Buffer): void {
  if (libc().bind(fd, address, address.length) !== 0) throw libc().error('bind')
}

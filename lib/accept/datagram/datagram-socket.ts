import { copySocket } from '../native/inherited-socket.ts'
import { libc } from '../native/libc.ts'
import { openSocket } from '../native/open-socket.ts'
import { setOption, socketOptions } from '../native/socket-options.ts'
import { SOCK_DGRAM } from '../native/socket-type.ts'
import type { DatagramListenerOptions } from './datagram-options.ts'

/**
 * A bound datagram socket that never blocks.
 *
 * @param family - AF_INET, AF_INET6 or AF_UNIX
 * @param options - its buffers
 * @param prepare - sets options and binds; where it throws the descriptor is closed
 */
export function datagramSocket(
  family: number,
  options: DatagramListenerOptions,
  prepare: (fd: number) => void | Promise<void>
): Promise<number> {
  return openSocket(family, SOCK_DGRAM, (fd) => {
    setBuffers(fd, options)
    return prepare(fd)
  })
}

/**
 * A copy of a datagram socket that was made elsewhere: see `copySocket`.
 *
 * @param fd - the descriptor
 * @param kind - what it must be
 * @param options - its buffers
 * @param prepare - sets options; where it throws the copy is closed, and the descriptor stays
 */
export function inheritedDatagramSocket(
  fd: number,
  kind: 'UDP socket' | 'Unix datagram socket',
  options: DatagramListenerOptions,
  prepare: (fd: number) => void = () => {}
): number {
  const { close } = libc()
  const copy = copySocket(fd, kind)
  try {
    setBuffers(copy, options)
    prepare(copy)
  } catch (error) {
    close(copy)
    throw error
  }
  return copy
}

function setBuffers(fd: number, { receiveBufferSize, sendBufferSize }: DatagramListenerOptions): void {
  if (receiveBufferSize !== undefined) setOption(fd, socketOptions.receiveBufferSize, receiveBufferSize)
  if (sendBufferSize !== undefined) setOption(fd, socketOptions.sendBufferSize, sendBufferSize)
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
  setOption(fd, socketOptions.attachFilter, program)
}

import { ClosedError } from '../../errors.ts'
import { listenError } from '../listen-error.ts'
import { libc } from './libc.ts'

/** How a native listener comes to its socket, and lets go of its name: what differs between TCP, UDP and Unix. */
export interface NativeBinding {
  /** As people write the address. */
  readonly where: string

  /** Others may have the socket too: what waits in it is left to them. */
  readonly isShared: boolean

  /** A bound socket that never blocks; one of connections listens. */
  open(): Promise<number>

  /** Nobody new finds it, nothing more comes: called once, before what has come is taken. */
  leave(fd: number): void
}

/** Whose socket is opened. */
export interface BoundSocketHost {
  /** Whether it was closed meanwhile. */
  readonly isClosed: () => boolean
  /** The socket is there; called before anybody can close the listener, as a promise would not be. */
  readonly opened: (fd: number) => void
  /** There can be none. */
  readonly failed: () => void
  /** Makes what must be there before it. */
  readonly prepare?: () => void
}

/**
 * Open the socket of a listener; it is given back where the listener was closed meanwhile.
 *
 * @param binding - how it comes to it
 * @param host - whose it is
 * @throws {@link ListenError} where there can be none, {@link ClosedError} where it came too late
 */
export async function openBound(binding: NativeBinding, host: BoundSocketHost): Promise<void> {
  let fd: number
  try {
    host.prepare?.()
    fd = await binding.open()
  } catch (error) {
    host.failed()
    throw listenError(binding.where, error as NodeJS.ErrnoException)
  }
  if (!host.isClosed()) {
    host.opened(fd)
    return
  }
  try {
    binding.leave(fd)
  } finally {
    libc().close(fd)
  }
  throw new ClosedError(`Cannot listen on ${binding.where}: it was closed meanwhile`)
}

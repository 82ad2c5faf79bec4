import { TCPServer, UDPServer, UnixStreamServer } from '../../lib/index.ts'

/** A TCP server that keeps the errors it is told of. */
export class QuietTCPServer extends TCPServer {
  readonly errors: unknown[] = []

  override handleError(error: unknown): void {
    this.errors.push(error)
  }
}

/** A UDP server that keeps the errors it is told of. */
export class QuietUDPServer extends UDPServer {
  readonly errors: unknown[] = []

  override handleError(error: unknown): void {
    this.errors.push(error)
  }
}

/** A Unix stream server that keeps the errors it is told of. */
export class QuietUnixStreamServer extends UnixStreamServer {
  readonly errors: unknown[] = []

  override handleError(error: unknown): void {
    this.errors.push(error)
  }
}

/** A server, and the errors that it was told of. */
export type Quieted<S> = S & { readonly errors: readonly unknown[] }

/** A server that keeps the errors it is told of. */
export function quiet<S extends { handleError: (error: unknown) => void | Promise<void> }>(server: S): Quieted<S> {
  const errors: unknown[] = []
  server.handleError = (error) => void errors.push(error)
  return Object.assign(server, { errors })
}

import type { Address } from '../../address.ts'

/** Who is told what happens to the socket. */
export interface FlowHost {
  /** Where the peer is. */
  readonly clientAddress: Address | undefined
  /** The peer reset the connection, or can't be written to. */
  peerGone(error: Error): void
  /** A read or a write has waited for the `timeout`. */
  timedOut(timeout: number): void
  /** Writes were piled up past `maxWriteQueue`, or could not be sent. */
  outputLost(error: Error): void
  /** The descriptor has been given back. */
  socketClosed(): void
}

/** What a stream has that stands for a socket of another process or thread, and can be encrypted as one. */
export const standIn = Symbol('stands for a socket')

/** A stream that stands for a socket. */
export interface StandIn {
  allowHalfOpen: boolean
  /**
   * Keep the end of the input back, or give it: Node ends both directions of such a stream where the input ends in a
   * handshake.
   */
  [standIn](keepsEnd: boolean): void
}

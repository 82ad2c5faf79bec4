/** How a native datagram listener comes to its socket, and lets go of its name: what differs between UDP and Unix. */
export interface DatagramBinding {
  /** As people write the address. */
  readonly where: string
  /** Others may have the socket too: what waits in it is left to them. */
  readonly isShared: boolean
  /** The largest datagram that the kernel can deliver, in bytes. */
  readonly largest: number
  /** Whether a send that finds no room waits for its peer to read, and not for this machine's own buffer. */
  readonly peersFill: boolean

  /** A bound socket that never blocks. */
  open(): Promise<number>

  /** Nothing more comes; what has come can still be received. Called once. */
  leave(fd: number): void
}

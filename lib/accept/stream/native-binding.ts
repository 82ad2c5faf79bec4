/** How a native listener of connections comes to its socket, and lets go of its name: what differs between TCP and Unix. */
export interface NativeBinding {
  /** As people write the address. */
  readonly where: string

  /** Others may have the socket too: who waits in its backlog is left to them. */
  readonly isShared: boolean

  /** A listening socket that never blocks. */
  open(): Promise<number>

  /** Nobody new finds it: called once, before those are accepted who have come. */
  leave(fd: number): void
}

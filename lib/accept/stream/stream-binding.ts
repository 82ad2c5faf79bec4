import type { Server } from 'node:net'
import type { Address } from '../../address.ts'

/** How a `net.Server` comes to its address, and lets go of it: what differs between TCP and Unix. */
export interface StreamBinding {
  /** As people write the address. */
  readonly where: string
  /** Others may have the socket too: who waits in its backlog is left to them. */
  readonly isShared: boolean
  /** Where every client is; `undefined` where its socket tells. */
  readonly clientAddress: Address | undefined

  /**
   * Make a server listen.
   *
   * @returns where it listens; `undefined` where it can tell itself
   */
  open(server: Server): Promise<Address | undefined>

  /** Nobody new finds it: called once, before those are accepted who have come. */
  leave(): void
}

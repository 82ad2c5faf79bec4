import type { Address } from 'it-socketserver'

/** A server as its clients see it, from its deployment to its close */
export interface Target {
  readonly id: number
  readonly address: Address
  /** Clients of it that have not ended */
  clients: number
  /** Of those, the ones that are on their way to it */
  arriving: number
  /** Connections that were made, or datagrams that were sent */
  arrived: number
  /** Bytes that were sent, at most: some may have been lost with a reset */
  sent: number
  /** Bytes of the clients that have got all of theirs */
  wholeIn: number
  wholeOut: number
  /** What befell its clients without a reason: it is asked what it knows */
  readonly mysteries: string[]
}

export function targetOf(id: number, address: Address): Target {
  return { id, address, clients: 0, arriving: 0, arrived: 0, sent: 0, wholeIn: 0, wholeOut: 0, mysteries: [] }
}

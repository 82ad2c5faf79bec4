/** Something that has bytes to send by the end of this turn of the event loop. */
export interface Flushable {
  /** Send them. Must not throw. */
  flushTurn(): void
}

let dirty: Flushable[] = []

function flushAll(): void {
  const turn = dirty
  dirty = []
  for (const writer of turn) writer.flushTurn()
}

/**
 * Flush once, after all that this turn of the loop has to do: writes made in one turn leave in one system call. One
 * immediate serves every connection.
 */
export function flushThisTurn(writer: Flushable): void {
  if (dirty.push(writer) === 1) setImmediate(flushAll)
}

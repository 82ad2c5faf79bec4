/** Something that has bytes to send by the end of this turn of the event loop. */
export interface Flushable {
  /** Send them. Must not throw. */
  flushTurn(): void
}

let dirty: Flushable[] = []
// Whether somebody has said that it flushes.
let expected = false

function flushAll(): void {
  expected = false
  const turn = dirty
  dirty = []
  for (const writer of turn) writer.flushTurn()
}

/**
 * Flush once, after all that this turn of the loop has to do: writes made in one turn leave in one system call. One
 * immediate serves every connection.
 */
export function flushThisTurn(writer: Flushable): void {
  if (dirty.push(writer) === 1 && !expected) setImmediate(flushAll)
}

/**
 * Flush when those have answered that are being told what came, and whoever waits for them: promises settle first, then
 * ticks run. Saves a turn of the loop.
 */
export function flushWithTurn(): void {
  if (expected) return
  expected = true
  queueMicrotask(flushNext)
}

function flushNext(): void {
  process.nextTick(flushAll)
}

import { pbkdf2Sync } from 'node:crypto'

// About 5 ms on the machine of the README. The same work for all, and not the same time: who waits for a core computes
// for no longer.
const rounds = 21_000

/** Keeps a core busy, and the thread that it is called on, as no loop of JavaScript needs to warm up for */
export function compute(): void {
  pbkdf2Sync('a password', 'some salt', rounds, 32, 'sha256')
}

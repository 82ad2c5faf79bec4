/** A turn of the event loop: what was ready when it was called has been dealt with. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/**
 * Turns until nothing happens any more, or so many have passed.
 *
 * @param count - grows while something happens
 * @param most - the most turns
 */
export async function quiet(count: () => number, most: number): Promise<void> {
  for (let turns = 0, still = 0; turns <= most && still < 2; turns++) {
    const before = count()
    await turn()
    still = count() === before ? still + 1 : 0
  }
}

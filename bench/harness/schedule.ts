/** Something that a client has to do so many milliseconds after the start */
export interface Due {
  at: number
  client: number
}

// Multiples of it spread evenly over a span, however many there are.
const goldenSection = 0.618_033_988_75

/**
 * When each of so many clients is due, sorted: all at periods of their own, spread evenly from the least to the most, and
 * none in step with another; the same each time
 */
export function schedule(clients: number, [least, most]: [number, number], duration: number): Due[] {
  const due: Due[] = []
  for (let client = 0; client < clients; client++) {
    const period = least + ((most - least) * client) / Math.max(1, clients - 1)
    for (let at = ((client * goldenSection) % 1) * period; at < duration; at += period) due.push({ at, client })
  }
  return due.sort((a, b) => a.at - b.at)
}

const newline = 10

/** Pseudo-random bytes, others for each seed; none is 0xff. */
export function keystream(seed: number, length: number): Buffer {
  const words = new Uint32Array(Math.ceil(length / 4))
  let state = (seed + 1) * 0x9e3779b1
  for (let i = 0; i < words.length; i++) {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    words[i] = (mixed ^ (mixed >>> 14)) & 0x7f7f7f7f
  }
  return Buffer.from(words.buffer, 0, length)
}

/**
 * The same as lines, none of which is longer than a reader takes; the last may have no end.
 *
 * @param rare - how rare newlines are
 */
export function keystreamLines(seed: number, length: number, rare: number): Buffer {
  const bytes = keystream(seed, length)
  for (let i = 0, line = 0; i < length; i++, line++) {
    const ends = ((bytes[i] as number) * 131 + i) % rare === 0 || line === 60_000
    if (ends) line = 0
    if (ends) bytes[i] = newline
    else if (bytes[i] === newline) bytes[i] = newline + 1
  }
  return bytes
}

/** How many bytes are the same from the start. */
export function sameUpTo(bytes: Buffer, expected: Buffer): number {
  const length = Math.min(bytes.length, expected.length)
  if (bytes.subarray(0, length).equals(expected.subarray(0, length))) return length
  let i = 0
  while (bytes[i] === expected[i]) i++
  return i
}

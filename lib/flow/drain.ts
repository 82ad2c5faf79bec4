/**
 * The end of a pipeline: reads all and keeps nothing.
 *
 * @param source - outcomes, or anything
 * @returns when the source has ended; rejects with the source's error
 *
 * @example
 * await pipe([1, 2, 3], drain)
 */
export async function drain(source: AsyncIterable<unknown> | Iterable<unknown>): Promise<void> {
  for await (const _ of source);
}

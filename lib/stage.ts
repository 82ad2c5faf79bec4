/**
 * A step of a pipeline, as it-pipe takes it: a source in, a source out. `verify`, `sequential` and `parallel` make them.
 *
 * @example
 * const double: Stage<number, number> = async function * (source) {
 *   for await (const n of source) yield n * 2
 * }
 */
export type Stage<A, B> = (source: AsyncIterable<A> | Iterable<A>) => AsyncIterableIterator<B>

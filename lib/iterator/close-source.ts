/**
 * Give a source back: tell it that nobody will pull again, and don't wait for it. A parked source may never answer.
 *
 * @param iterator - the source's iterator
 */
export function closeSource(iterator: AsyncIterator<unknown> | Iterator<unknown>): void {
  try {
    Promise.resolve(iterator.return?.()).catch(() => {})
  } catch {
    // A source that throws from return() has nothing left to release.
  }
}

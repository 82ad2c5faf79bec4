const done = { done: true, value: undefined } as const

/** What an iteration needs of the reader whose bytes it hands out. */
export interface Iterated<T> {
  /** The next result; `owner` is called when it is the end or an error. */
  next(owner: () => void): Promise<IteratorResult<T>>
  /** Ends the read that waits for this owner, if there is one. */
  cancel(owner: () => void): void
  /** The first result was asked for. */
  begun(): void
  /** It has ended, or was left; called once, where it had begun. */
  ended(): void
}

/**
 * An iteration over an rfile. Leaving it early loses nothing: what it has not handed out stays readable.
 *
 * @param reader - whose bytes
 * @param signal - ends it too
 */
export function iteration<T>(reader: Iterated<T>, signal?: AbortSignal): AsyncIterableIterator<T> {
  let open = true
  let begun = false
  const leave = (): void => {
    if (!open) return
    open = false
    signal?.removeEventListener('abort', stop)
    if (begun) reader.ended()
  }
  const stop = (): void => {
    reader.cancel(leave)
    leave()
  }
  const iterator: AsyncIterableIterator<T> = {
    next() {
      if (!open || (!begun && signal?.aborted === true)) return Promise.resolve(done)
      if (!begun) {
        begun = true
        reader.begun()
        signal?.addEventListener('abort', stop, { once: true })
      }
      return reader.next(leave)
    },
    return() {
      stop()
      return Promise.resolve(done)
    },
    [Symbol.asyncIterator]() {
      return iterator
    }
  }
  return iterator
}

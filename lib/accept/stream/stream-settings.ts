/** What a handler's fields set on its connection. */
export interface StreamSettings {
  /** Milliseconds that a read may wait for a byte, or a write for the peer, before the request is aborted. */
  readonly timeout?: number | undefined
  /** Send small writes at once (TCP_NODELAY). */
  readonly noDelay?: boolean | undefined
  /** Bytes held before the peer has to wait. */
  readonly readHighWaterMark?: number | undefined
  /** Bytes written before `write()` waits. */
  readonly writeHighWaterMark?: number | undefined
  /** Bytes written, and not waited for, before the request is aborted. */
  readonly maxWriteQueue?: number | undefined
}

/** The marks of both; where both say one, the later. */
export function mergedMarks(before: StreamSettings | undefined, after: StreamSettings): StreamSettings {
  return {
    readHighWaterMark: after.readHighWaterMark ?? before?.readHighWaterMark,
    writeHighWaterMark: after.writeHighWaterMark ?? before?.writeHighWaterMark,
    maxWriteQueue: after.maxWriteQueue ?? before?.maxWriteQueue
  }
}

import type { JobMessage, WorkerMessage } from './messages.ts'

/**
 * Whether something has the form of a message at all. A module may say other things by a channel that it shares with its
 * worker: those are nobody's.
 */
export function isMessage(said: unknown): said is WorkerMessage {
  return typeof said === 'object' && said !== null && 'type' in said
}

/** Whether what a worker says of a request that it has is as it should be: a broken one may say anything. */
export function isSound(message: JobMessage): boolean {
  switch (message.type) {
    case 'claim':
    case 'missing':
    case 'end':
      return true
    case 'data':
      return message.bytes instanceof Uint8Array
    case 'credit':
      return isAmount(message.bytes)
    case 'report':
      return (
        statuses.has(message.status) &&
        Array.isArray(message.notes) &&
        (message.reply === undefined || message.reply instanceof Uint8Array) &&
        isAmount(message.bytesIn) &&
        isAmount(message.bytesOut)
      )
  }
}

const statuses = new Set(['fulfilled', 'rejected', 'aborted'])

function isAmount(bytes: unknown): boolean {
  return Number.isSafeInteger(bytes) && (bytes as number) >= 0
}

/**
 * A message whose bytes have memory of their own, to be given away with it: a port would copy all the memory that they are
 * a part of.
 *
 * @returns the message, and the memory to transfer
 */
export function ownBytes<M extends object>(message: M): [message: M, transferred: ArrayBuffer[]] {
  const transferred: ArrayBuffer[] = []
  return [owned(message, transferred), transferred]
}

function owned<M extends object>(message: M, transferred: ArrayBuffer[]): M {
  let copy: M | undefined
  for (const [name, value] of Object.entries(message)) {
    let own: unknown = value
    if (value instanceof Uint8Array) {
      const bytes = new Uint8Array(value)
      transferred.push(bytes.buffer)
      own = bytes
    } else if (name === 'carriage') own = owned(value as object, transferred)
    if (own === value) continue
    copy ??= { ...message }
    Object.assign(copy, { [name]: own })
  }
  return copy ?? message
}

import type { Address } from '../../address.ts'
import type { Listener } from '../../transport.ts'
import type { StreamRequest } from './stream-request.ts'

/** A listener over a plain one, which has the socket: what both answer alike. */
export abstract class LayeredListener implements Listener<StreamRequest> {
  /** Where the connections come from; this one listens and closes it. */
  protected readonly plain: Listener<StreamRequest>

  /** @param plain - where the connections come from */
  constructor(plain: Listener<StreamRequest>) {
    this.plain = plain
  }

  abstract get waiting(): number
  abstract listen(): Promise<void>
  abstract accept(): StreamRequest | undefined | Promise<StreamRequest | undefined>
  abstract close(): Promise<void>
  abstract discard(): void

  get address(): Address | undefined {
    return this.plain.address
  }

  release(): Promise<void> {
    return this.plain.release()
  }

  suspend(): void {
    this.plain.suspend()
  }

  resume(): void {
    this.plain.resume()
  }

  limitsChanged(): void {
    this.plain.limitsChanged()
  }

  fileno(): number | undefined {
    return this.plain.fileno()
  }

  ref(): void {
    this.plain.ref()
  }

  unref(): void {
    this.plain.unref()
  }
}

import { StreamRequest } from '../../accept/stream/stream-request.ts'

type Socket = ReturnType<StreamRequest['detach']>

/** A connection in a worker. */
export class PassedRequest extends StreamRequest {
  /** Its socket, where the handler has detached it. */
  detached: Socket | undefined

  override detach(): Socket {
    this.detached = super.detach()
    return this.detached
  }

  /** Settles when a detached socket has closed: at once where there is none. */
  async whenLetGo(): Promise<void> {
    const { detached } = this
    if (detached === undefined || detached.closed) return
    await new Promise<void>((resolve) => detached.once('close', () => resolve()))
  }
}

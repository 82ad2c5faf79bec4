import { checked, epollControl, epollCreate, epollWait } from './libc.ts'

const EPOLL_CTL_ADD = 1
const EPOLLIN = 1

// struct epoll_event is packed on x86-64 only
const [eventSize, dataOffset] = process.arch === 'x64' ? [12, 4] : [16, 8]

/** Tells which of the watched descriptors are readable, by the index under which they were added */
export class Epoll {
  readonly #fd = checked('create an epoll', epollCreate(0))
  readonly #event = Buffer.alloc(eventSize)
  readonly #events: Buffer
  readonly #capacity: number

  constructor(capacity: number) {
    this.#capacity = capacity
    this.#events = Buffer.alloc(eventSize * capacity)
  }

  add(fd: number, index: number): void {
    this.#event.writeUInt32LE(EPOLLIN, 0)
    this.#event.writeUInt32LE(index, dataOffset)
    checked('watch a socket', epollControl(this.#fd, EPOLL_CTL_ADD, fd, this.#event))
  }

  wait(milliseconds: number): number {
    return checked('wait for replies', epollWait(this.#fd, this.#events, this.#capacity, milliseconds))
  }

  /** The index of the nth that the last wait found */
  ready(n: number): number {
    return this.#events.readUInt32LE(n * eventSize + dataOffset)
  }
}

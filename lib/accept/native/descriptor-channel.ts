import { LimitExceededError } from '../../errors.ts'
import { nodeIsWanted } from './backend.ts'
import { EAGAIN, EINTR, libc, libcMissing } from './libc.ts'
import { MSG_CMSG_CLOEXEC, MSG_DONTWAIT, MSG_NOSIGNAL } from './message-flags.ts'
import { reactor, type Watched } from './reactor.ts'
import { AF_UNIX } from './sockaddr.ts'
import { SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_SEQPACKET } from './socket-type.ts'

const EPIPE = 32
const ECONNRESET = 104
const F_DUPFD_CLOEXEC = 1030

const SOL_SOCKET = 1
const SCM_RIGHTS = 1

// struct msghdr of a 64-bit Linux, where its fields are, and struct cmsghdr with one descriptor.
const headerSize = 56
const vectorAt = 16
const vectorLengthAt = 24
const controlAt = 32
const controlLengthAt = 40
const flagsAt = 48
const controlSize = 24
// Said of room for one, so that the kernel does not put a second where it would fit.
const controlLength = 20
const descriptorAt = 16

// A message that is longer travels in parts, each behind a byte that says whether more come.
const part = 49_152
// What a part is told by that is not the last.
const notYet = (): void => {}
const isWhole = 0
const hasMore = 1

// Messages of a turn; then others have theirs.
const atOnce = 64

/** Who is told what comes. */
export interface ChannelHost {
  /** The longest message, in bytes, that it takes: what is longer, or no message, ends the channel. */
  readonly longest: number
  /**
   * A message has come.
   *
   * @param bytes - its bytes, which are overwritten afterwards
   * @param fd - the descriptor that came along, the host's from now on; -1 for none, also where this process had no room
   */
  message(bytes: Buffer, fd: number): void
  /**
   * The other end has gone, and all that it had sent was told.
   *
   * @param error - what it has sent that can't be taken
   */
  ended(error?: Error): void
}

interface Waiting {
  readonly bytes: Buffer
  readonly fd: number
  readonly sent: (() => void) | undefined
}

/** What a call takes and gives: the structs of one message, with memory for a part. */
class Envelope {
  readonly header = Buffer.alloc(headerSize)
  readonly control = Buffer.alloc(controlSize)
  readonly bytes = Buffer.allocUnsafeSlow(part + 1)
  readonly #piece = Buffer.alloc(16)

  constructor() {
    const { pointerTo } = libc()
    pointerTo(this.#piece).copy(this.header, vectorAt)
    this.header.writeUInt32LE(1, vectorLengthAt)
    pointerTo(this.control).copy(this.header, controlAt)
    pointerTo(this.bytes).copy(this.#piece)
    this.size = this.bytes.length
    this.control.writeUInt32LE(controlLength, 0)
    this.control.writeInt32LE(SOL_SOCKET, 8)
    this.control.writeInt32LE(SCM_RIGHTS, 12)
  }

  /** How many of its bytes count. */
  set size(size: number) {
    this.#piece.writeUInt32LE(size, 8)
  }

  set controlLength(length: number) {
    this.header.writeUInt32LE(length, controlLengthAt)
  }

  get controlLength(): number {
    return this.header.readUInt32LE(controlLengthAt)
  }

  get flags(): number {
    return this.header.readInt32LE(flagsAt)
  }
}

/**
 * A way to another process: whole messages in order, with descriptors. A message is the kernel's when it was sent, so that
 * what was sent before a death still arrives; a descriptor that the other process has no room for, or that the
 * kernel does not take, is missed there; where a message can't be sent the channel ends: nothing is lost silently.
 */
export class DescriptorChannel implements Watched {
  watch = 0
  readonly #host: ChannelHost
  readonly #holds: boolean
  readonly #queue: Waiting[] = []
  #fd: number
  #parts: Buffer[] = []
  #partsLength = 0
  #partsFd = -1

  /**
   * Throws the system's error where it can't be watched; its end is closed then.
   *
   * @param fd - this end, the channel's from now on
   * @param host - who is told what comes
   * @param holds - whether it holds the process
   */
  constructor(fd: number, host: ChannelHost, holds: boolean) {
    this.#fd = fd
    this.#host = host
    this.#holds = holds
    try {
      reactor().add(fd, this, holds)
    } catch (error) {
      libc().close(fd)
      throw error
    }
  }

  /**
   * Send a message.
   *
   * @param bytes - its bytes
   * @param fd - a descriptor to go along, which stays open here till it is sent; -1 for none
   * @param sent - called once, when it is the kernel's; not where the other end is gone before
   */
  send(bytes: Buffer, fd = -1, sent?: () => void): void {
    if (this.#fd < 0) return
    for (let at = 0; ; at += part) {
      const last = bytes.length - at <= part
      this.#enqueue({
        bytes: bytes.length <= part ? bytes : bytes.subarray(at, at + part),
        fd: at === 0 ? fd : -1,
        sent: last ? sent : notYet
      })
      if (last) return
    }
  }

  /** Take in what has come, and be told of the end. */
  drain(): void {
    while (this.#fd >= 0 && this.#receive());
  }

  /** Close this end. */
  close(): void {
    if (this.#fd < 0) return
    reactor().forget(this.#fd, this.#holds)
    libc().close(this.#fd)
    this.#fd = -1
    for (const { fd } of this.#queue.splice(0)) if (fd >= 0) libc().close(fd)
    this.#keepDescriptor(-1)
  }

  ready(): void {
    this.#flush()
    this.goOn()
  }

  goOn(): void {
    for (let n = 0; n < atOnce; n++) if (this.#fd < 0 || !this.#receive()) return
    reactor().again(this)
  }

  #enqueue(message: Waiting): void {
    if (this.#queue.length === 0 && this.#sendNow(message)) message.sent?.()
    // A copy: its owner may close it meanwhile, and the number be a stranger's.
    else this.#queue.push({ ...message, fd: copyOf(message.fd) })
  }

  #flush(): void {
    while (this.#fd >= 0) {
      const [first] = this.#queue
      if (first === undefined || !this.#sendNow(first)) return
      this.#queue.shift()
      if (first.fd >= 0) libc().close(first.fd)
      first.sent?.()
    }
  }

  /** False where it finds no room; then an event tells of room. */
  #sendNow({ bytes, fd, sent }: Waiting): boolean {
    const envelope = outgoing()
    envelope.bytes[0] = sent === notYet ? hasMore : isWhole
    envelope.bytes.set(bytes, 1)
    envelope.size = bytes.length + 1
    envelope.controlLength = fd < 0 ? 0 : controlSize
    if (fd >= 0) envelope.control.writeInt32LE(fd, descriptorAt)
    for (;;) {
      if (libc().sendmsg(this.#fd, envelope.header, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return true
      const errno = libc().errno()
      if (errno === EINTR) continue
      if (errno === EAGAIN) return false
      if (envelope.controlLength > 0) {
        // Too many are under way, say: without it the message arrives at least, and the descriptor is missed there.
        envelope.controlLength = 0
        continue
      }
      // Where the other end is gone, the end of the input tells. Anything else would be a message lost, and somebody waits.
      if (errno !== EPIPE && errno !== ECONNRESET) queueMicrotask(() => this.#end())
      return true
    }
  }

  /** False where nothing more is there. */
  #receive(): boolean {
    const envelope = incoming()
    envelope.controlLength = controlLength
    const size = libc().recvmsg(this.#fd, envelope.header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC)
    if (size <= 0) {
      const errno = size < 0 ? libc().errno() : 0
      // A peer that died unread is told first; what it had sent is there still.
      if (errno === EINTR || errno === ECONNRESET) return true
      if (errno !== EAGAIN) this.#end()
      return false
    }
    this.#keepDescriptor(this.#descriptorOf(envelope))
    this.#take(envelope.bytes.subarray(1, size), envelope.bytes[0] as number)
    return true
  }

  /** The descriptor that came; of several the first, for which alone there is room. */
  #descriptorOf(envelope: Envelope): number {
    return envelope.controlLength >= controlLength ? envelope.control.readInt32LE(descriptorAt) : -1
  }

  #take(bytes: Buffer, kind: number): void {
    const length = this.#partsLength + bytes.length
    const { longest } = this.#host
    // Of parts that are not full there would be no end.
    if (kind > hasMore || (kind === hasMore && bytes.length < part)) {
      this.#end(new TypeError(`It sent a part of ${bytes.length} bytes that begins with ${kind}, which is no message`))
      return
    }
    if (length > longest) {
      this.#end(new LimitExceededError(`It sent a message that is longer than the limit of ${longest} bytes`, longest))
      return
    }
    if (kind === hasMore) {
      this.#parts.push(Buffer.from(bytes))
      this.#partsLength = length
      return
    }
    const whole = this.#parts.length === 0 ? bytes : Buffer.concat([...this.#parts, bytes])
    const fd = this.#partsFd
    this.#parts = []
    this.#partsLength = 0
    this.#partsFd = -1
    this.#host.message(whole, fd)
  }

  /** It comes with the first part. */
  #keepDescriptor(fd: number): void {
    if (this.#parts.length > 0 && fd < 0 && this.#fd >= 0) return
    if (this.#partsFd >= 0) libc().close(this.#partsFd)
    this.#partsFd = fd
  }

  #end(error?: Error): void {
    if (this.#fd < 0) return
    this.close()
    this.#host.ended(error)
  }
}

let sending: Envelope | undefined
let receiving: Envelope | undefined

function outgoing(): Envelope {
  sending ??= new Envelope()
  return sending
}

function incoming(): Envelope {
  receiving ??= new Envelope()
  return receiving
}

function copyOf(fd: number): number {
  return fd < 0 ? fd : libc().fcntl(fd, F_DUPFD_CLOEXEC, 'int', 0)
}

/** Whether there are such channels here. */
export function hasChannels(): boolean {
  return !nodeIsWanted() && libcMissing() === undefined && libc().pointerSize === 8
}

/** The two ends of a channel; neither is inherited, but where a child is given one. */
export function openChannel(): [one: number, other: number] {
  const fds = new Int32Array(2)
  const type = SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC
  if (libc().socketpair(AF_UNIX, type, 0, fds) !== 0) throw libc().error('socketpair')
  return [fds[0] as number, fds[1] as number]
}

/** Close an end that no channel was made of. */
export function closeEnd(fd: number): void {
  libc().close(fd)
}

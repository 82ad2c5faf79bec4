import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { getSystemErrorName } from 'node:util'
import koffi from 'koffi'
import { onTestFinished } from 'vitest'
import { turns } from './turns.ts'

const c = koffi.load(null)
const socket = c.func('int socket(int, int, int)')
const bind = c.func('int bind(int, void *, uint32_t)')
const connect = c.func('int connect(int, void *, uint32_t)')
const recvfrom = c.func('intptr_t recvfrom(int, void *, size_t, int, void *, void *)')
const sendto = c.func('intptr_t sendto(int, void *, size_t, int, void *, uint32_t)')
const setsockopt = c.func('int setsockopt(int, int, int, void *, uint32_t)')
const getsockopt = c.func('int getsockopt(int, int, int, void *, void *)')
const ioctl = c.func('int ioctl(int, ulong, void *)')
const closeFd = c.func('int close(int)')

const [AF_UNIX, SOCK_DGRAM_NONBLOCK] = [1, 2 | 0o4000]
const [MSG_DONTWAIT, MSG_NOSIGNAL] = [0x40, 0x4000]
const [SOL_SOCKET, SO_SNDBUF] = [1, 7]
const FIONREAD = 0x541b

/** Bytes of the next datagram that waits at a descriptor. */
export function waitingAt(fd: number | undefined): number {
  const count = new Int32Array(1)
  if (ioctl(fd, FIONREAD, count) !== 0) throw new Error('Cannot ask FIONREAD')
  return count[0] as number
}

/** A number that is an option of a socket: `[level, name]`. */
export function socketOption(fd: number | undefined, level: number, name: number): number {
  const value = new Int32Array(1)
  if (getsockopt(fd, level, name, value, new Int32Array([4])) !== 0) throw new Error('Cannot ask for the option')
  return value[0] as number
}

function sockaddr(path: string): Buffer {
  // A path is closed by a NUL, an abstract name is not.
  return Buffer.concat([Buffer.from([AF_UNIX, 0]), Buffer.from(path.startsWith('\0') ? path : `${path}\0`)])
}

/** A Unix datagram socket by libc, on this side: what Node has not. Closed after the test. */
export class UnixPeer implements Disposable {
  readonly path: string | undefined
  readonly #slab = Buffer.alloc(300_000)
  #fd: number = socket(AF_UNIX, SOCK_DGRAM_NONBLOCK, 0)

  /** @param path - where it listens, abstract too; where it is left out it has no address */
  constructor(path?: string) {
    this.path = path
    const size = new Int32Array([300_000])
    setsockopt(this.#fd, SOL_SOCKET, SO_SNDBUF, size, 4)
    if (path === undefined) return
    const address = sockaddr(path)
    if (bind(this.#fd, address, address.length) !== 0) throw new Error(`Cannot bind ${path}`)
  }

  /** Send to a server; an error's code where that failed. */
  send(to: string, bytes: string | Buffer): string | undefined {
    const address = sockaddr(to)
    return this.#sent(Buffer.from(bytes), address)
  }

  connect(to: string): void {
    const address = sockaddr(to)
    if (connect(this.#fd, address, address.length) !== 0) throw new Error(`Cannot connect to ${to}`)
  }

  /** Send where it is connected. */
  sendConnected(bytes: string | Buffer): string | undefined {
    return this.#sent(Buffer.from(bytes), null)
  }

  /** What has come, where something has. */
  tryReceive(): Buffer | undefined {
    const size: number = recvfrom(this.#fd, this.#slab, this.#slab.length, MSG_DONTWAIT, null, null)
    return size < 0 ? undefined : Buffer.from(this.#slab.subarray(0, size))
  }

  /** The next datagram. */
  async receive(): Promise<Buffer> {
    for (;;) {
      const packet = this.tryReceive()
      if (packet !== undefined) return packet
      await turns()
    }
  }

  /** Send, and give what comes back. */
  exchange(to: string, bytes: string | Buffer): Promise<Buffer> {
    const failure = this.send(to, bytes)
    if (failure !== undefined) throw new Error(`Cannot send: ${failure}`)
    return this.receive()
  }

  [Symbol.dispose](): void {
    if (this.#fd >= 0) closeFd(this.#fd)
    this.#fd = -1
  }

  #sent(bytes: Buffer, address: Buffer | null): string | undefined {
    const flags = MSG_DONTWAIT | MSG_NOSIGNAL
    const sent: number = sendto(this.#fd, bytes, bytes.length, flags, address, address?.length ?? 0)
    return sent < 0 ? getSystemErrorName(-koffi.errno()) : undefined
  }
}

/** A {@link UnixPeer} for one test. */
export function unixPeer(path?: string): UnixPeer {
  const peer = new UnixPeer(path)
  onTestFinished(() => peer[Symbol.dispose]())
  return peer
}

/** A UDP client for one test, bound, that keeps what it gets. */
export class UDPPeer {
  readonly socket: Socket
  readonly got: Buffer[] = []
  readonly from: RemoteInfo[] = []

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('message', (packet, from) => {
      this.got.push(packet)
      this.from.push(from)
    })
  }

  static async bound(host = '127.0.0.1'): Promise<UDPPeer> {
    const bound = createSocket(host.includes(':') ? 'udp6' : 'udp4')
    bound.bind(0, host)
    await once(bound, 'listening')
    onTestFinished(() => {
      bound.close()
    })
    return new UDPPeer(bound)
  }

  get port(): number {
    return this.socket.address().port
  }

  /** Settles when the kernel has it. */
  send({ host, port }: { host: string; port: number }, bytes: string | Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.send(bytes, port, host, (error) => (error === null ? resolve() : reject(error)))
    })
  }

  /** Settles with the first `n`. */
  async receive(n: number): Promise<Buffer[]> {
    while (this.got.length < n) await once(this.socket, 'message')
    return this.got.slice(0, n)
  }

  async exchange(to: { host: string; port: number }, bytes: string | Buffer): Promise<Buffer> {
    const before = this.got.length
    await this.send(to, bytes)
    return (await this.receive(before + 1))[before] as Buffer
  }
}

/** A process that one talks with in lines. */
export class LineProcess {
  readonly child: ChildProcess
  readonly exited: Promise<unknown>
  readonly #lines: AsyncIterator<string>

  constructor(command: string, args: string[]) {
    this.child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.exited = once(this.child, 'close')
    this.#lines = createInterface({ input: this.child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]()
    onTestFinished(() => void this.child.kill('SIGKILL'))
  }

  async line(): Promise<string> {
    const { value, done } = await this.#lines.next()
    if (done) throw new Error('The process has ended')
    return value
  }

  tell(line: string): void {
    this.child.stdin?.write(`${line}\n`)
  }
}

/** A peer in Python; its script finds its arguments in `sys.argv[1:]`. */
export function pythonPeer(script: string, ...args: (string | number)[]): LineProcess {
  return new LineProcess('python3', ['-u', '-c', `import os, socket, sys, time\n${script}`, ...args.map(String)])
}

import { createRequire } from 'node:module'
import { endianness } from 'node:os'
import { getSystemErrorName } from 'node:util'
import { isMainThread } from 'node:worker_threads'
import type * as Koffi from 'koffi'

type Bytes = NodeJS.ArrayBufferView | null

/** The system calls that Node does not offer, by koffi. Each returns -1 where it failed: {@link Libc.error} tells why. */
export interface Libc {
  readonly socket: (domain: number, type: number, protocol: number) => number
  readonly bind: (fd: number, address: Bytes, length: number) => number
  readonly connect: (fd: number, address: Bytes, length: number) => number
  readonly listen: (fd: number, backlog: number) => number
  readonly shutdown: (fd: number, how: number) => number
  readonly close: (fd: number) => number
  /** With one number, whose type is said before: `fcntl(fd, F_SETFL, 'int', flags)`. */
  readonly fcntl: (fd: number, command: number, type: 'int', value: number) => number
  /** With one number, as `fcntl`. */
  readonly prctl: (option: number, type: 'unsigned long', value: number) => number
  readonly fchmod: (fd: number, mode: number) => number
  readonly getsockname: (fd: number, address: Bytes, length: Int32Array) => number
  readonly setsockopt: (fd: number, level: number, name: number, value: Bytes, length: number) => number
  readonly recvfrom: (
    fd: number,
    bytes: Bytes,
    size: number,
    flags: number,
    address: Bytes,
    length: Int32Array
  ) => number
  readonly recv: (fd: number, bytes: Bytes, size: number, flags: number) => number
  readonly epoll_create1: (flags: number) => number
  readonly epoll_ctl: (epoll: number, operation: number, fd: number, event: Int32Array) => number
  readonly epoll_wait: (epoll: number, events: Int32Array, size: number, milliseconds: number) => number
  readonly accept4: (fd: number, address: Bytes, length: Int32Array, flags: number) => number
  readonly getsockopt: (fd: number, level: number, name: number, value: Bytes, length: Int32Array) => number
  readonly send: (fd: number, bytes: Bytes, size: number, flags: number) => number
  readonly sendto: (fd: number, bytes: Bytes, size: number, flags: number, address: Bytes, length: number) => number
  readonly socketpair: (domain: number, type: number, protocol: number, fds: Int32Array) => number
  readonly recvmsg: (fd: number, header: Bytes, flags: number) => number
  readonly sendmsg: (fd: number, header: Bytes, flags: number) => number
  readonly recvmmsg: (fd: number, headers: Bytes, size: number, flags: number, timeout: null) => number
  readonly sendmmsg: (fd: number, headers: Bytes, size: number, flags: number) => number
  readonly if_nametoindex: (name: string) => number
  readonly if_indextoname: (index: number, name: Buffer) => string | null
  readonly inet_pton: (family: number, text: string, address: Bytes) => number
  readonly inet_ntop: (family: number, address: Bytes, text: Buffer, size: number) => string | null

  /** Bytes of a pointer. */
  readonly pointerSize: number
  /** Tells when a descriptor can be read: `readiness.ts` is its only user. */
  readonly poll: (fd: number, callback: (status: number) => void) => Koffi.node.PollHandle
  /** Where bytes lie, as the kernel wants a pointer in a struct; hold them meanwhile. */
  readonly pointerTo: (bytes: Buffer) => Buffer
  /** The number of what the last call that failed said: cheaper than an error, whose stack takes 10 µs. */
  readonly errno: () => number
  /** What the last call that failed said, as Node says it. */
  readonly error: (call: string) => NodeJS.ErrnoException
}

/** The number of "nothing is there", and of "there is no room". */
export const EAGAIN = 11
/** The number of "a signal came in between": try again. */
export const EINTR = 4

let loaded: Libc | undefined
let why: Missing | undefined

/** Why there are no system calls here. */
export interface Missing {
  /** A clause: `it needs …` */
  readonly reason: string
  /** What koffi said. */
  readonly cause?: unknown
}

/** Why there are no system calls here; `undefined` where there are. */
export function libcMissing(): Missing | undefined {
  // A worker that is terminated with an armed poll can take the process with it.
  if (!isMainThread) return { reason: 'it needs the main thread (this is a worker)' }
  if (loaded === undefined) why ??= load()
  return why
}

/** The system calls. Ask {@link libcMissing} before. */
export function libc(): Libc {
  if (loaded === undefined) {
    const missing = libcMissing()
    if (missing !== undefined) throw notHere(missing)
  }
  return loaded as unknown as Libc
}

function notHere({ reason, cause }: Missing): Error {
  return Object.assign(new Error(reason, { cause }), { code: 'ERR_NO_NATIVE_SOCKETS' })
}

/** Calls that wait for nothing, so that a thread may make them too; `undefined` where there are none. */
export function threadCalls(): Pick<Libc, 'fcntl' | 'close' | 'error'> | undefined {
  if (loaded === undefined) why ??= load()
  return loaded
}

function load(): Missing | undefined {
  // The numbers of the constants, and the bytes of the structs, are those of Linux on a little-endian machine.
  if (process.platform !== 'linux' || endianness() !== 'LE' || process.arch.startsWith('mips')) {
    return { reason: `it needs Linux on a common machine (this is ${process.platform}, ${process.arch})` }
  }
  try {
    loaded = bindings(createRequire(import.meta.url)('koffi') as typeof Koffi)
    return undefined
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'MODULE_NOT_FOUND'
    const trouble = missing ? 'is not installed: npm install koffi' : 'does not load here'
    return { reason: `it needs the package koffi, which ${trouble}`, cause }
  }
}

function bindings(koffi: typeof Koffi): Libc {
  // What the process has linked is the libc that Node runs on, whichever that is.
  const process = koffi.load(null)
  return {
    socket: process.func('int socket(int, int, int)'),
    bind: process.func('int bind(int, void *, uint32_t)'),
    connect: process.func('int connect(int, void *, uint32_t)'),
    listen: process.func('int listen(int, int)'),
    shutdown: process.func('int shutdown(int, int)'),
    close: process.func('int close(int)'),
    fcntl: process.func('int fcntl(int, int, ...)'),
    prctl: process.func('int prctl(int, ...)'),
    fchmod: process.func('int fchmod(int, uint32_t)'),
    getsockname: process.func('int getsockname(int, void *, void *)'),
    setsockopt: process.func('int setsockopt(int, int, int, void *, uint32_t)'),
    recvfrom: process.func('intptr_t recvfrom(int, void *, size_t, int, void *, void *)'),
    recv: process.func('intptr_t recv(int, void *, size_t, int)'),
    epoll_create1: process.func('int epoll_create1(int)'),
    epoll_ctl: process.func('int epoll_ctl(int, int, int, void *)'),
    epoll_wait: process.func('int epoll_wait(int, void *, int, int)'),
    accept4: process.func('int accept4(int, void *, void *, int)'),
    getsockopt: process.func('int getsockopt(int, int, int, void *, void *)'),
    send: process.func('intptr_t send(int, void *, size_t, int)'),
    sendto: process.func('intptr_t sendto(int, void *, size_t, int, void *, uint32_t)'),
    socketpair: process.func('int socketpair(int, int, int, void *)'),
    recvmsg: process.func('intptr_t recvmsg(int, void *, int)'),
    sendmsg: process.func('intptr_t sendmsg(int, void *, int)'),
    recvmmsg: process.func('int recvmmsg(int, void *, uint32_t, int, void *)'),
    sendmmsg: process.func('int sendmmsg(int, void *, uint32_t, int)'),
    if_nametoindex: process.func('uint32_t if_nametoindex(const char *)'),
    if_indextoname: process.func('const char *if_indextoname(uint32_t, void *)'),
    inet_pton: process.func('int inet_pton(int, const char *, void *)'),
    inet_ntop: process.func('const char *inet_ntop(int, void *, void *, uint32_t)'),
    pointerSize: koffi.sizeof('void *'),
    // Its callback gets a status first, whatever its types say.
    poll: (fd, callback) => koffi.node.poll(fd, { readable: true }, callback as never),
    pointerTo: (bytes) => {
      const pointer = Buffer.alloc(8)
      pointer.writeBigUInt64LE(BigInt(koffi.address(bytes)))
      return pointer.subarray(0, koffi.sizeof('void *'))
    },
    errno: () => koffi.errno(),
    error: (call) => systemError(call, koffi.errno())
  }
}

function systemError(call: string, errno: number): NodeJS.ErrnoException {
  const code = errno === 0 ? 'EUNKNOWN' : getSystemErrorName(-errno)
  return Object.assign(new Error(`${call} ${code}`), { code, errno: -errno, syscall: call })
}

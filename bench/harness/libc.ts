import { getSystemErrorName } from 'node:util'
import koffi from 'koffi'

// A load generator on node:net costs about as much per message as the server that it should keep busy; bare system
// calls cost what the kernel costs. The suite reads /proc, so Linux is all it has to know.
const libc = koffi.load('libc.so.6')

export const MSG_DONTWAIT = 0x40
export const MSG_NOSIGNAL = 0x4000
/** On a TCP socket: count the bytes and drop them without copying */
export const MSG_TRUNC = 0x20

export const EAGAIN = 11

export const AF_UNIX = 1
export const AF_INET = 2
export const SOCK_STREAM = 1
export const SOCK_DGRAM = 2
export const SOL_SOCKET = 1
export const SO_LINGER = 13
export const SO_RCVLOWAT = 18
export const SO_SNDTIMEO = 21
export const IPPROTO_IP = 0
export const IP_LOCAL_PORT_RANGE = 51

type Call = (...args: Array<number | Buffer | null>) => number

export const socket: Call = libc.func('int socket(int, int, int)')
export const bind: Call = libc.func('int bind(int, void *, uint32_t)')
export const connect: Call = libc.func('int connect(int, void *, uint32_t)')
export const setsockopt: Call = libc.func('int setsockopt(int, int, int, void *, uint32_t)')
export const send: Call = libc.func('intptr_t send(int, void *, size_t, int)')
export const sendto: Call = libc.func('intptr_t sendto(int, void *, size_t, int, void *, uint32_t)')
export const recv: Call = libc.func('intptr_t recv(int, void *, size_t, int)')
export const sendmmsg: Call = libc.func('int sendmmsg(int, void *, unsigned int, int)')
export const recvmmsg: Call = libc.func('int recvmmsg(int, void *, unsigned int, int, void *)')
export const close: Call = libc.func('int close(int)')
export const epollCreate: Call = libc.func('int epoll_create1(int)')
export const epollControl: Call = libc.func('int epoll_ctl(int, int, int, void *)')
export const epollWait: Call = libc.func('int epoll_wait(int, void *, int, int)')

export function addressOf(bytes: Buffer): bigint {
  return BigInt(koffi.address(bytes))
}

export function lastErrno(): number {
  return koffi.errno()
}

/** Passes a result on, or throws what the call's failure means */
export function checked(call: string, result: number): number {
  if (result < 0) throw new Error(`Cannot ${call}: ${getSystemErrorName(-lastErrno())}`)
  return result
}

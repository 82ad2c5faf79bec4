import type { Address } from '../../address.ts'
import { internetAddress } from '../../address.ts'
import { libc } from './libc.ts'

/** The kernel's form of an address: a family, then what the family holds. */

export const AF_UNIX = 1
export const AF_INET = 2
export const AF_INET6 = 10

/** Room for the longest: sun_family and 108 bytes of sun_path. */
export const longestSockaddr = 110

const inetSize = 16
const inet6Size = 28
const textSize = 46
const unixPath = 2

/**
 * An IP address for the kernel.
 *
 * @param host - numeric; an IPv6 one may say its interface (`fe80::1%eth0`)
 * @param port - the port
 */
export function encodeInternet(host: string, port: number): Buffer {
  const six = host.includes(':')
  const bytes = Buffer.alloc(six ? inet6Size : inetSize)
  bytes.writeUInt16LE(six ? AF_INET6 : AF_INET, 0)
  bytes.writeUInt16BE(port, 2)
  if (!six) libc().inet_pton(AF_INET, host, bytes.subarray(4))
  else {
    const [numeric = '', zone] = host.split('%')
    libc().inet_pton(AF_INET6, numeric, bytes.subarray(8))
    if (zone !== undefined) bytes.writeUInt32LE(libc().if_nametoindex(zone) || Number.parseInt(zone, 10) || 0, 24)
  }
  return bytes
}

/**
 * A Unix address for the kernel: a path, or an abstract name of exactly its length, which begins with a NUL.
 *
 * @param path - 107 bytes at most
 */
export function encodeUnix(path: string): Buffer {
  const name = Buffer.from(path)
  const bytes = Buffer.alloc(unixPath + name.length + (name[0] === 0 ? 0 : 1))
  bytes.writeUInt16LE(AF_UNIX, 0)
  name.copy(bytes, unixPath)
  return bytes
}

/**
 * What the kernel says, for people. What is no address of a known family is that of somebody who has none.
 *
 * @param bytes - the kernel's form
 * @param length - how much of it counts
 */
export function decodeAddress(bytes: Buffer, length: number): Address {
  const there = Math.min(length, bytes.length)
  const family = there < unixPath ? AF_UNIX : bytes.readUInt16LE(0)
  if (family === AF_UNIX) return { family: 'unix', path: decodePath(bytes.subarray(unixPath, there)) }
  if (there < (family === AF_INET ? inetSize : family === AF_INET6 ? inet6Size : Number.POSITIVE_INFINITY)) {
    return { family: 'unix', path: '' }
  }
  const port = bytes.readUInt16BE(2)
  if (family === AF_INET) return internetAddress('IPv4', dotted(bytes.readUInt32BE(4)), port)
  const host = libc().inet_ntop(AF_INET6, bytes.subarray(8), Buffer.alloc(textSize), textSize) ?? ''
  const scope = bytes.readUInt32LE(24)
  return internetAddress('IPv6', scope === 0 ? host : `${host}%${zoneName(scope)}`, port)
}

// Most often the same as before.
let lastNumber = 0
let lastText = '0.0.0.0'

function dotted(number: number): string {
  if (number !== lastNumber) {
    lastNumber = number
    lastText = `${number >>> 24}.${(number >>> 16) & 255}.${(number >>> 8) & 255}.${number & 255}`
  }
  return lastText
}

function decodePath(name: Buffer): string {
  if (name[0] === 0) return name.toString()
  const end = name.indexOf(0)
  return name.toString('utf8', 0, end === -1 ? name.length : end)
}

function zoneName(index: number): string {
  return libc().if_indextoname(index, Buffer.alloc(16)) ?? String(index)
}

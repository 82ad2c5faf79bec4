import { execFileSync } from 'node:child_process'
import { expect } from 'vitest'
import { startProgram } from '../../support/live-child.ts'

/** How a program is started: in a network of its own, or in that of this process. */
export type Start = typeof startProgram

// What closes is handed on, or not; the file is that of the network in which it is opened.
const setting = '/proc/sys/net/ipv4/tcp_migrate_req'

const made = (migrates: boolean): string[] => [
  '--net',
  'sh',
  '-ec',
  `ip link set lo up; echo ${migrates ? 1 : 0} > ${setting}; cat ${setting}; exec cat`
]

/** Why no network can be made here; `undefined` where one can. */
export function whyNoNetwork(): string | undefined {
  try {
    execFileSync('unshare', made(true), { stdio: ['ignore', 'ignore', 'pipe'] })
    return undefined
  } catch (error) {
    return `it takes a network of its own, Linux 5.14 or later, and root: ${(error as Error).message.trim()}`
  }
}

/**
 * A network that has nothing but a loopback: those who are started in it have its ports for themselves, and its settings.
 * It ends with the test.
 *
 * @param migrates - whether the kernel hands what waits in a socket that closes to others of the port (`tcp_migrate_req`)
 * @returns starts programs in it
 */
export async function ownNetwork(migrates: boolean): Promise<Start> {
  const holder = startProgram('unshare', made(migrates))
  expect(await holder.line()).toBe(migrates ? '1' : '0')
  // It becomes the program that it starts: signals find that by its number.
  return (command, args, options) =>
    startProgram('nsenter', [`--net=/proc/${holder.pid}/ns/net`, '--', command, ...args], options)
}

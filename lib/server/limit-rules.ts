import { descriptorLimit } from '../accept/descriptor-limit.ts'
import { count, known, milliseconds } from '../arguments.ts'
import type { DatagramLimits, PendingLimits, ServerLimits, StreamLimits, TLSLimits } from '../limits.ts'

/** Checks what a limit is set to; gives its default where nothing is said. */
export type LimitRule = (value: unknown) => number

/** The limits of a server, and how each is checked. */
export type LimitRules<L> = { readonly [N in keyof L]: LimitRule }

const unlimited = Number.POSITIVE_INFINITY

// libuv takes in and closes whoever comes where there is no descriptor left; handlers and children want some too.
const shareOfDescriptors = 0.9

export const serverRules: LimitRules<ServerLimits> = {
  requestTimeout: (value) => milliseconds('requestTimeout', value, unlimited, 1)
}

const pendingRules: LimitRules<PendingLimits> = {
  ...serverRules,
  maxPending: (value) => count('maxPending', value, 1_024)
}

export const streamRules: LimitRules<StreamLimits> = {
  ...pendingRules,
  maxConnections: (value) =>
    count('maxConnections', value, value === undefined ? Math.floor(descriptorLimit() * shareOfDescriptors) : 0),
  maxConnectionsPerAddress: (value) => count('maxConnectionsPerAddress', value, unlimited),
  idleTimeout: (value) => milliseconds('idleTimeout', value, unlimited, 1),
  lingerTimeout: (value) => milliseconds('lingerTimeout', value, 1_000),
  maxLingerBytes: (value) => count('maxLingerBytes', value, 16 * 1024 * 1024, 0)
}

export const tlsRules: LimitRules<TLSLimits> = {
  ...streamRules,
  maxHandshakes: (value) => count('maxHandshakes', value, 8_192),
  handshakeTimeout: (value) => milliseconds('handshakeTimeout', value, 5_000, 1)
}

export const datagramRules: LimitRules<DatagramLimits> = {
  ...pendingRules,
  maxPacketSize: (value) => count('maxPacketSize', value, unlimited),
  maxQueuedReplies: (value) => count('maxQueuedReplies', value, 1_024),
  sendTimeout: (value) => milliseconds('sendTimeout', value, 30_000, 1)
}

/**
 * The limits that options say, each with its default where they don't; other options are left alone.
 *
 * @param rules - which there are
 * @param options - what was given
 */
export function limitsOf<L>(rules: LimitRules<L>, options: object): L {
  const limits: Partial<L> = {}
  for (const name of Object.keys(rules) as (keyof L)[]) limits[name] = rules[name](options[name as never]) as L[keyof L]
  return limits as L
}

/**
 * What is to change of limits, checked as a whole.
 *
 * @param rules - which there are
 * @param given - what was given; what is left out, or `undefined`, stays
 */
export function changesOf<L>(rules: LimitRules<L>, given: object): Partial<L> {
  known('setLimits', given, Object.keys(rules))
  const changes: Partial<L> = {}
  for (const name of Object.keys(given) as (keyof L)[]) {
    const value: unknown = given[name as never]
    if (value !== undefined) changes[name] = rules[name](value) as L[keyof L]
  }
  return changes
}

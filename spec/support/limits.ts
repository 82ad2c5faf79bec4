import type { DatagramLimits, StreamLimits, TLSLimits } from '../../lib/index.ts'
import { datagramRules, limitsOf, streamRules, tlsRules } from '../../lib/server/limit-rules.ts'

/** Limits of connections: the defaults, where nothing else is said. */
export function streamLimits(given: Partial<StreamLimits> = {}): StreamLimits {
  return limitsOf(streamRules, given)
}

/** Limits of encrypted connections. */
export function tlsLimits(given: Partial<TLSLimits> = {}): TLSLimits {
  return limitsOf(tlsRules, given)
}

/** Limits of datagrams. */
export function datagramLimits(given: Partial<DatagramLimits> = {}): DatagramLimits {
  return limitsOf(datagramRules, given)
}

import type { ConnectionLimits } from '../../limits.ts'

/** Limits on their way to a worker: those that bound anything, as JSON knows no infinity. */
export type LimitsRecord = Partial<ConnectionLimits>

/** Limits as they can be sent. */
export function recordLimits({ idleTimeout, lingerTimeout, maxLingerBytes }: Readonly<ConnectionLimits>): LimitsRecord {
  const record = recordIdleTimeout(idleTimeout)
  if (lingerTimeout < Number.POSITIVE_INFINITY) record.lingerTimeout = lingerTimeout
  if (maxLingerBytes < Number.POSITIVE_INFINITY) record.maxLingerBytes = maxLingerBytes
  return record
}

/** The one that only whoever reads can see to. */
export function recordIdleTimeout(idleTimeout: number): LimitsRecord {
  return idleTimeout < Number.POSITIVE_INFINITY ? { idleTimeout } : {}
}

/** Limits as they were sent. */
export function reviveLimits(record: LimitsRecord): ConnectionLimits {
  const unlimited = Number.POSITIVE_INFINITY
  return { idleTimeout: unlimited, lingerTimeout: unlimited, maxLingerBytes: unlimited, ...record }
}

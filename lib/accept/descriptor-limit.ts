import { readFileSync } from 'node:fs'

let limit: number | undefined

/** How many descriptors this process may have: asked once; `Infinity` where there is no bound, or none to be known. */
export function descriptorLimit(): number {
  limit ??= asked()
  return limit
}

function asked(): number {
  if (process.platform === 'win32') return Number.POSITIVE_INFINITY
  try {
    const soft =
      process.platform === 'linux'
        ? /^Max open files\s+(\S+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1]
        : (process.report.getReport() as { userLimits?: { open_files?: { soft?: number | string } } }).userLimits
            ?.open_files?.soft
    const count = Number(soft)
    return count > 0 ? count : Number.POSITIVE_INFINITY
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

import { readdirSync } from 'node:fs'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** What a process has at a moment */
export interface Sample {
  /** Bytes that are alive on the heap of V8, and what they hold outside of it */
  readonly heap: number
  /** Bytes of the whole process, threads included */
  readonly resident: number
  readonly descriptors: number
  /** What holds the event loop, by its kind */
  readonly resources: Readonly<Record<string, number>>
  /** Requests that are being served */
  readonly open: number
}

export async function takeSample(open: number): Promise<Sample> {
  collect()
  // What is freed outside of the heap is counted off a little later.
  await new Promise((resolve) => setImmediate(resolve))
  collect()
  const { rss, heapUsed, external } = process.memoryUsage()
  const resources: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1
  // The folder itself is open while it is read.
  const descriptors = readdirSync('/proc/self/fd').length - 1
  return { heap: heapUsed + external, resident: rss, descriptors, resources, open }
}

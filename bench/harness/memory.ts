import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { tellNotes } from './notes.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

interface Memory {
  /** Of the whole process, in bytes */
  resident: number
  /** What is alive on the heap of V8, and what that holds outside of it */
  heap: number
}

// V8 collects by itself once a process has been idle for some seconds: nobody has to wait for that.
function settle(): Memory {
  collect()
  const { rss, heapUsed, external } = process.memoryUsage()
  return { resident: rss, heap: heapUsed + external }
}

/** Notes by how many KiB the memory of a server has grown since now, for each connection that it has open */
export function noteMemory(open: () => number): void {
  const start = settle()
  tellNotes(() => {
    const now = settle()
    const each = (bytes: number): number => bytes / open() / 1024
    return { resident: [each(now.resident - start.resident)], heap: [each(now.heap - start.heap)], open: [open()] }
  })
}

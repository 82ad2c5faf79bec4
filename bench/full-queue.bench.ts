// What does it cost that replies wait for a Unix peer that does not read? `npm run bench -- full-queue`
import type { Benchmark } from './harness/benchmark.ts'
import { ours, pythonRival } from './harness/side.ts'

export const benchmark: Benchmark = {
  name: 'full-queue',
  question: 'What does it cost that replies wait for a Unix peer that does not read?',
  rows: [
    {
      work: '400 replies of 64 B, none is read',
      ours: ours('full-queue'),
      // A thread for each, which the kernel wakes when there is room.
      rival: pythonRival('ThreadingUnixDatagramServer', 'full-queue'),
      load: { generator: 'load-full-queue', options: { replies: 400, size: 64 } },
      figures: [
        { name: 'replies that wait, the least', noted: 'waiting', quantile: 0, unit: 'replies' },
        // Trying again and again is all that a process can do that waits for nobody.
        { name: 'CPU, median', noted: 'cpu', quantile: 0.5, unit: '% of a core', atMost: 3 },
        { name: 'CPU, most', noted: 'cpu', quantile: 1, unit: '% of a core' }
      ]
    }
  ]
}

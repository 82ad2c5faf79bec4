import cluster from 'node:cluster'
import { availableParallelism } from 'node:os'

cluster.schedulingPolicy = cluster.SCHED_RR

if (cluster.isPrimary) {
  let starting = availableParallelism()
  cluster.on('listening', (_worker, { port }) => {
    if (--starting === 0) process.stdout.write(`${port}\n`)
  })
  for (let count = starting; count > 0; count--) cluster.fork()
} else {
  // Workers have the arguments of the primary.
  await (process.argv[2] === 'computing' ? import('./node-net-computing.ts') : import('./node-net-connect.ts'))
}

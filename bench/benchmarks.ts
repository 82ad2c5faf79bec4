import { benchmark as connect } from './connect.bench.ts'
import { benchmark as connections } from './connections.bench.ts'
import { benchmark as datagrams } from './datagrams.bench.ts'
import { benchmark as echo } from './echo.bench.ts'
import { benchmark as fairness } from './fairness.bench.ts'
import { benchmark as flood } from './flood.bench.ts'
import { benchmark as fullQueue } from './full-queue.bench.ts'
import type { Benchmark } from './harness/benchmark.ts'
import { benchmark as idle } from './idle.bench.ts'
import { benchmark as limits } from './limits.bench.ts'
import { benchmark as lines } from './lines.bench.ts'
import { benchmark as modes } from './modes.bench.ts'
import { benchmark as pipelining } from './pipelining.bench.ts'
import { benchmark as sizes } from './sizes.bench.ts'
import { benchmark as stage } from './stage.bench.ts'

/** In the order in which they run and are told */
export const benchmarks: Benchmark[] = [
  echo,
  lines,
  connect,
  datagrams,
  stage,
  modes,
  connections,
  sizes,
  limits,
  pipelining,
  idle,
  fairness,
  flood,
  fullQueue
]

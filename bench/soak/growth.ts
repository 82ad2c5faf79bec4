import { descendantsOf } from '../harness/process-tree.ts'
import type { Sample } from './sample.ts'
import type { ServerChild } from './server-child.ts'
import { median, slopeOf } from './theil-sen.ts'

export interface Point extends Sample {
  /** Seconds since the load began */
  readonly at: number
  /** Its children */
  readonly processes: number
}

/** What a process had: while it serves nobody, before and after, and under load in between */
export interface GroupGrowth {
  readonly name: string
  readonly points: readonly Point[]
  readonly start: Sample
  readonly end: Sample
  /** Bytes a minute, in the second half */
  readonly heapSlope: number
}

const mebibyte = 1_048_576
const share = 0.1
const heapSlack = 3 * mebibyte
const settling = 12_000

/** Watches a process of servers */
export class GrowthWatch {
  readonly child: ServerChild
  readonly #points: Point[] = []
  #start: Sample | undefined
  #end: Sample | undefined

  constructor(child: ServerChild) {
    this.child = child
  }

  /** Under load */
  async look(at: number): Promise<void> {
    const sample = await this.child.ask('sample', undefined)
    this.#points.push({ at, processes: descendantsOf(this.child.pid).length, ...sample })
  }

  /** Before the load, when all is warm, and nothing is served */
  async begin(): Promise<void> {
    this.#start = await this.#atRest()
  }

  /** After it */
  async finish(): Promise<void> {
    this.#end = await this.#atRest(this.#start)
  }

  /** Connections that linger and workers that end take their time */
  async #atRest(like?: Sample): Promise<Sample> {
    const since = performance.now()
    let before: Sample | undefined
    for (;;) {
      const now = await this.child.ask('sample', undefined)
      const isLike =
        like === undefined ? before !== undefined && isSame(before, now) : isSame(like, now) && !hasGrown(like, now)
      if (isLike || performance.now() - since > settling) return now
      before = now
      await new Promise((resolve) => setTimeout(resolve, like === undefined ? 1_500 : 300))
    }
  }

  found(): GroupGrowth {
    const [start, end] = [this.#start, this.#end]
    if (start === undefined || end === undefined) throw new Error(`${this.child.name} was not looked at`)
    const half = this.#points.slice(this.#points.length >> 1)
    const heapSlope = slopeOf(half.map(({ at, heap }) => ({ x: at / 60, y: heap })))
    return { name: this.child.name, points: this.#points, start, end, heapSlope }
  }
}

function isSame(one: Sample, other: Sample): boolean {
  return one.descriptors === other.descriptors && differences(one, other).length === 0
}

function hasGrown(start: Sample, end: Sample): boolean {
  return end.heap > start.heap * (1 + share) + heapSlack
}

/** Kinds of resources of which there are more, or less, than there were */
function differences({ resources: before }: Sample, { resources: after }: Sample): string[] {
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((kind) => {
    const [was, is] = [before[kind] ?? 0, after[kind] ?? 0]
    return was === is ? [] : [`${kind}: ${was} before, ${is} after`]
  })
}

/** What of the growth of a process is no mere noise */
export function judgeGrowth({ name, points, start, end, heapSlope }: GroupGrowth): string[] {
  const wrong: string[] = []
  if (end.descriptors !== start.descriptors) {
    wrong.push(
      `${name}: ${end.descriptors} descriptors are open at the end, and ${start.descriptors} were at the start`
    )
  }
  for (const difference of differences(start, end)) wrong.push(`${name}: resources are left, ${difference}`)
  if (hasGrown(start, end)) {
    wrong.push(`${name}: the heap has grown from ${inMiB(start.heap)} to ${inMiB(end.heap)}`)
  }
  const half = points.slice(points.length >> 1)
  const minutes = ((half.at(-1)?.at ?? 0) - (half[0]?.at ?? 0)) / 60
  const grown = heapSlope * minutes
  if (grown > Math.max(heapSlack, share * median(half.map(({ heap }) => heap)))) {
    wrong.push(`${name}: the heap has grown by ${inMiB(grown)} in the last ${minutes.toFixed(1)} minutes`)
  }
  return wrong
}

export function inMiB(bytes: number): string {
  return `${(bytes / mebibyte).toFixed(1)} MiB`
}

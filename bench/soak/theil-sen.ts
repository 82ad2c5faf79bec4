/** The slope of a line through points that outliers do not turn (Theil–Sen): the median of all slopes between two of them */
export function slopeOf(points: readonly { readonly x: number; readonly y: number }[]): number {
  const slopes: number[] = []
  for (const [index, one] of points.entries()) {
    for (const other of points.slice(index + 1)) {
      if (other.x !== one.x) slopes.push((other.y - one.y) / (other.x - one.x))
    }
  }
  return median(slopes)
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  if (sorted.length === 0) return 0
  const upper = sorted[middle] as number
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2
}

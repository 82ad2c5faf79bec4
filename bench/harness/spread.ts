export interface Spread {
  median: number
  /** The quartiles, between which half of the values lie */
  lower: number
  upper: number
  least: number
  most: number
}

export function quantile(sorted: number[], share: number): number {
  const place = (sorted.length - 1) * share
  const below = sorted[Math.floor(place)] ?? NaN
  const above = sorted[Math.ceil(place)] ?? NaN
  return below + (above - below) * (place - Math.floor(place))
}

export function spreadOf(values: number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const at = (share: number): number => quantile(sorted, share)
  return { median: at(0.5), lower: at(0.25), upper: at(0.75), least: at(0), most: at(1) }
}

export function describeSpread({ median, lower, upper }: Spread): string {
  return `${median.toFixed(2)} (${lower.toFixed(2)}–${upper.toFixed(2)})`
}

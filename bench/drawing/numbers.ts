/** Three digits that count, with thousands set apart */
export function threeDigits(value: number): string {
  return value.toLocaleString('en', { maximumSignificantDigits: 3 })
}

/** A number of bytes that is a power of two */
export function bytes(count: number): string {
  if (count >= 1_048_576) return `${count / 1_048_576} MiB`
  return count >= 1_024 ? `${count / 1_024} KiB` : `${count} B`
}

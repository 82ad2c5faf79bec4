/** Lines of equally many cells, of which the first has the heads; numbers stand to the right, text to the left */
export function alignColumns(lines: string[][], textColumns: ReadonlySet<number>): string {
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)))
  const fit = (cell: string, column: number): string => {
    const width = widths[column] ?? 0
    return textColumns.has(column) ? cell.padEnd(width) : cell.padStart(width)
  }
  return lines.map((line) => line.map(fit).join('  ').trimEnd()).join('\n')
}

import type { YAXisComponentOption } from 'echarts'
import { ink, margin, quiet } from './card.ts'

/** What stands below a heading that it may share with its neighbours */
export interface Headed {
  heading: string
  name: string
}

/** One line of a plot that is read from top to bottom */
export type Line<T extends Headed> = { title: string } | T

/** Headings, each followed by what stands below it */
export function withHeadings<T extends Headed>(items: T[]): Array<Line<T>> {
  return items.flatMap((item, index) =>
    item.heading === items[index - 1]?.heading ? [item] : [{ title: item.heading }, item]
  )
}

/** The line at a place that is known to have no heading */
export function itemAt<T extends Headed>(lines: Array<Line<T>>, place: unknown): T {
  return lines[Number(place)] as T
}

/** The places of all that is no heading, each with what a mark of it has on the other axis */
export function placesOf<T extends Headed>(lines: Array<Line<T>>, value: (item: T) => number): number[][] {
  return lines.flatMap((line, place) => ('title' in line ? [] : [[place, value(line)]]))
}

/** An axis that has the lines as its labels, left of a grid that begins there */
export function linesAxis<T extends Headed>(lines: Array<Line<T>>, gridLeft: number): YAXisComponentOption {
  return {
    type: 'category',
    inverse: true,
    // A category is told by its place: names come again below other headings.
    data: lines.map((_, place) => String(place)),
    axisLine: { show: false },
    axisTick: { show: false },
    axisLabel: {
      interval: 0,
      align: 'left',
      margin: gridLeft - margin,
      formatter: (place: string) => {
        const line = lines[Number(place)] as Line<T>
        return 'title' in line ? `{title|${line.title}}` : `{name|    ${line.name}}`
      },
      rich: { title: { fontSize: 13, fontWeight: 600, color: ink }, name: { fontSize: 13, color: quiet } }
    }
  }
}

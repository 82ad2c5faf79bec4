import type { CustomSeriesOption, EChartsOption } from 'echarts'
import type { Spread } from '../harness/spread.ts'
import { type CardText, card, ink, oursColour, quiet, rivalColour, rule, width } from './card.ts'
import { type Headed, itemAt, type Line, linesAxis, placesOf, withHeadings } from './headed-lines.ts'
import { threeDigits } from './numbers.ts'
import { render } from './render.ts'

/** A number of ours and a rival */
export interface Compared extends Headed {
  ours: Spread
  rival: Spread
}

export interface DotPlot extends CardText {
  unit: string
  /** Powers of ten lie equally far apart */
  log?: boolean
  compared: Compared[]
}

const lineHeight = 28
const grid = { left: 290, right: 70, top: 112, bottom: 96 }

/** Numbers of ours and a rival on one scale: a dot for each median, a bar where half of the runs lie */
export function drawDots(plot: DotPlot): string {
  const lines = withHeadings(plot.compared)
  const height = grid.top + grid.bottom + lines.length * lineHeight
  const ends = plot.compared.flatMap(({ ours, rival }) => [ours.lower, ours.upper, rival.lower, rival.upper])
  const option: EChartsOption = {
    ...card(plot, height),
    grid,
    xAxis: {
      ...(plot.log === true ? powersOfTen(ends) : { type: 'value' as const }),
      name: plot.unit,
      nameLocation: 'middle',
      nameGap: 30,
      nameTextStyle: { color: quiet, fontSize: 13 },
      axisLabel: { color: ink, fontSize: 13, formatter: (value: number) => threeDigits(value) },
      axisLine: { show: false },
      splitLine: { lineStyle: { color: rule } }
    },
    yAxis: linesAxis(lines, grid.left),
    series: [connectors(lines), dots(lines, 'rival', rivalColour), dots(lines, 'ours', oursColour)]
  }
  return render(option, { width, height })
}

function powersOfTen(values: number[]): { type: 'log'; logBase: number; min: number; max: number } {
  const min = 10 ** Math.floor(Math.log10(Math.min(...values)))
  return { type: 'log', logBase: 10, min, max: 10 ** Math.ceil(Math.log10(Math.max(...values))) }
}

type Lines = Array<Line<Compared>>

function connectors(lines: Lines): CustomSeriesOption {
  return {
    type: 'custom',
    silent: true,
    data: placesOf(lines, ({ rival }) => rival.median),
    encode: { x: 1, y: 0 },
    renderItem: (_params, api) => {
      const { ours, rival } = itemAt(lines, api.value(0))
      const [x1 = 0, y = 0] = api.coord([ours.median, api.value(0)])
      const [x2 = 0] = api.coord([rival.median, api.value(0)])
      return { type: 'line', shape: { x1, y1: y, x2, y2: y }, style: { stroke: rule, lineWidth: 4 } }
    }
  }
}

const radius = 5

function dots(lines: Lines, side: 'ours' | 'rival', color: string): CustomSeriesOption {
  const other = side === 'ours' ? 'rival' : 'ours'
  return {
    type: 'custom',
    silent: true,
    data: placesOf(lines, (item) => item[side].median),
    encode: { x: 1, y: 0 },
    renderItem: (_params, api) => {
      const item = itemAt(lines, api.value(0))
      const { lower, median, upper } = item[side]
      const at = (value: number): number => api.coord([value, api.value(0)])[0] ?? 0
      const y = api.coord([median, api.value(0)])[1] ?? 0
      // Its number stands on the side that is away from the other one.
      const left = median < item[other].median
      const x = left ? Math.min(at(lower), at(median) - radius) : Math.max(at(upper), at(median) + radius)
      return {
        type: 'group',
        children: [
          {
            type: 'line',
            shape: { x1: at(lower), y1: y, x2: at(upper), y2: y },
            style: { stroke: color, lineWidth: 8, opacity: 0.3 }
          },
          { type: 'circle', shape: { cx: at(median), cy: y, r: radius }, style: { fill: color } },
          {
            type: 'text',
            style: {
              text: threeDigits(median),
              x: left ? x - 5 : x + 5,
              y,
              align: left ? 'right' : 'left',
              verticalAlign: 'middle',
              fill: color,
              stroke: '#ffffff',
              lineWidth: 3,
              fontSize: 13,
              fontWeight: 600
            }
          }
        ]
      }
    }
  }
}

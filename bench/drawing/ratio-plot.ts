import type { BarSeriesOption, CustomSeriesOption, EChartsOption } from 'echarts'
import type { Spread } from '../harness/spread.ts'
import { type CardText, card, ink, oursColour, quiet, rivalColour, rule, width } from './card.ts'
import { type Headed, itemAt, type Line, linesAxis, placesOf, withHeadings } from './headed-lines.ts'
import { render } from './render.ts'

/** Named after the rival, below the work that both do */
export interface RatioBar extends Headed {
  /** Ours / rival */
  ratio: Spread
}

const lineHeight = 22
const grid = { left: 330, right: 80, top: 104, bottom: 96 }

/** What ours costs where the rival's cost is 1: a bar for each rival */
export function drawRatios(text: CardText, bars: RatioBar[]): string {
  const lines = withHeadings(bars)
  const height = grid.top + grid.bottom + lines.length * lineHeight
  const most = Math.max(...bars.map(({ ratio }) => ratio.upper))
  const interval = [0.2, 0.5, 1].find((step) => most <= step * 10) ?? Math.ceil(most / 10)
  const option: EChartsOption = {
    ...card(text, height),
    grid,
    xAxis: {
      type: 'value',
      min: 0,
      max: Math.max(1.2, Math.ceil(most / interval) * interval),
      interval,
      name: 'ours : rival',
      nameLocation: 'middle',
      nameGap: 30,
      nameTextStyle: { color: quiet, fontSize: 13 },
      axisLabel: { color: ink, fontSize: 13 },
      splitLine: { lineStyle: { color: rule } }
    },
    yAxis: linesAxis(lines, grid.left),
    series: [barsOf(lines), whiskersOf(lines)]
  }
  return render(option, { width, height })
}

type Lines = Array<Line<RatioBar>>

function colourOf({ ratio }: RatioBar): string {
  return ratio.median <= 1 ? oursColour : rivalColour
}

function barsOf(lines: Lines): BarSeriesOption {
  return {
    type: 'bar',
    silent: true,
    barWidth: 13,
    data: lines.map((line) =>
      'title' in line ? '-' : { value: line.ratio.median, itemStyle: { color: colourOf(line), opacity: 0.85 } }
    ),
    markLine: {
      silent: true,
      symbol: 'none',
      label: { show: true, position: 'start', formatter: 'the rival’s cost', color: ink, fontSize: 13 },
      lineStyle: { color: ink, type: 'solid', width: 1.5 },
      data: [{ xAxis: 1 }]
    }
  }
}

// From the first quartile to the third, with the median told behind it
function whiskersOf(lines: Lines): CustomSeriesOption {
  return {
    type: 'custom',
    silent: true,
    z: 5,
    data: placesOf(lines, ({ ratio }) => ratio.upper),
    encode: { x: 1, y: 0 },
    renderItem: (_params, api) => {
      const bar = itemAt(lines, api.value(0))
      const [from = 0, y = 0] = api.coord([bar.ratio.lower, api.value(0)])
      const [to = 0] = api.coord([bar.ratio.upper, api.value(0)])
      const line = (x1: number, y1: number, x2: number, y2: number) => ({
        type: 'line' as const,
        shape: { x1, y1, x2, y2 },
        style: { stroke: ink, lineWidth: 1 }
      })
      return {
        type: 'group',
        children: [
          line(from, y, to, y),
          line(from, y - 3, from, y + 3),
          line(to, y - 3, to, y + 3),
          {
            type: 'text',
            style: {
              text: bar.ratio.median.toFixed(2),
              x: to + 7,
              y,
              verticalAlign: 'middle',
              fill: colourOf(bar),
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

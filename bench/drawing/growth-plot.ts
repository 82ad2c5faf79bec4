import type { CustomSeriesOption, EChartsOption, LineSeriesOption } from 'echarts'
import type { Spread } from '../harness/spread.ts'
import { card, ink, margin, oursColour, quiet, rivalColour, rule, width } from './card.ts'
import { threeDigits } from './numbers.ts'
import { render } from './render.ts'

export interface GrowthPoint {
  x: number
  ours: Spread
  rival: Spread
  /** Ours / rival, where it says something */
  ratio?: Spread | undefined
}

export interface GrowthPlot {
  title: string
  subtitle: string
  footer: string
  x: { name: string; base: number; format: (value: number) => string }
  y: { name: string; log?: boolean }
  ours: string
  rival: string
  points: GrowthPoint[]
}

const height = 460
const grid = { left: margin + 52, right: 150, top: 132, bottom: 112 }

/** How something grows, ours and a rival's: medians as lines, and bands in which half of the runs lie */
export function drawGrowth(plot: GrowthPlot): string {
  const { x, y, points } = plot
  const xs = points.map((point) => point.x)
  const option: EChartsOption = {
    ...card(plot, height),
    grid,
    xAxis: {
      type: 'log',
      logBase: x.base,
      min: Math.min(...xs),
      max: Math.max(...xs),
      name: x.name,
      nameLocation: 'middle',
      nameGap: 46,
      nameTextStyle: { color: quiet, fontSize: 13 },
      axisLine: { lineStyle: { color: quiet } },
      axisTick: { lineStyle: { color: quiet } },
      splitLine: { show: false },
      axisLabel: {
        color: ink,
        fontSize: 13,
        lineHeight: 18,
        formatter: (value: number) => xLabel(value, plot),
        rich: { ratio: { color: quiet, fontSize: 12 } }
      }
    },
    yAxis: {
      ...(y.log === true
        ? { type: 'log' as const, logBase: 10 }
        : { type: 'value' as const, min: 0, max: roomFor(points) }),
      name: y.name,
      nameLocation: 'end',
      nameGap: 14,
      nameTextStyle: { align: 'left', color: quiet, fontSize: 13, padding: [0, 0, 0, margin - grid.left] },
      axisLabel: { color: ink, fontSize: 13, formatter: (value: number) => threeDigits(value) },
      axisLine: { show: false },
      axisTick: { show: false },
      splitLine: { lineStyle: { color: rule } }
    },
    series: [
      band(points, (point) => point.rival, rivalColour),
      band(points, (point) => point.ours, oursColour),
      line(plot.rival, points, (point) => point.rival, rivalColour),
      line(plot.ours, points, (point) => point.ours, oursColour)
    ]
  }
  return render(option, { width, height })
}

function xLabel(value: number, { x, points }: GrowthPlot): string {
  const ratio = points.find((point) => Math.abs(point.x / value - 1) < 1e-6)?.ratio
  return ratio === undefined ? x.format(value) : `${x.format(value)}\n{ratio|× ${ratio.median.toFixed(2)}}`
}

const steps = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10]

// The bands too: the library looks at the lines only.
function roomFor(points: GrowthPoint[]): number {
  const most = Math.max(...points.flatMap(({ ours, rival }) => [ours.upper, rival.upper]))
  const power = 10 ** Math.floor(Math.log10(most))
  return (steps.find((step) => step * power >= most) ?? 10) * power
}

type Pick = (point: GrowthPoint) => Spread

function line(name: string, points: GrowthPoint[], pick: Pick, color: string): LineSeriesOption {
  return {
    type: 'line',
    silent: true,
    data: points.map((point) => [point.x, pick(point).median]),
    symbol: 'circle',
    symbolSize: 7,
    clip: false,
    itemStyle: { color },
    lineStyle: { color, width: 2.5 },
    endLabel: {
      show: true,
      color,
      fontSize: 13,
      fontWeight: 600,
      lineHeight: 17,
      distance: 10,
      formatter: () => `${name}\n${threeDigits(pick(points.at(-1) as GrowthPoint).median)}`
    },
    labelLayout: { moveOverlap: 'shiftY' }
  }
}

function band(points: GrowthPoint[], pick: Pick, color: string): CustomSeriesOption {
  return {
    type: 'custom',
    silent: true,
    // One polygon of all the points
    data: [[points[0]?.x ?? 1, points[0] === undefined ? 1 : pick(points[0]).median]],
    renderItem: (_params, api) => ({
      type: 'polygon',
      shape: {
        points: [
          ...points.map((point) => api.coord([point.x, pick(point).upper])),
          ...[...points].reverse().map((point) => api.coord([point.x, pick(point).lower]))
        ]
      },
      style: { fill: color, opacity: 0.18 }
    })
  }
}

import type { EChartsOption, LineSeriesOption } from 'echarts'
import { card, ink, margin, quiet, rule, width } from './card.ts'
import type { KeptResult } from './kept-results.ts'
import { render } from './render.ts'

/** What is drawn of a process, at a moment under load */
interface SoakPoint {
  at: number
  heap: number
  resident: number
  descriptors: number
  open: number
}

/** What a soak has found, as far as it is drawn */
export interface KeptSoak {
  minutes: number
  seed: number
  passed: boolean
  faults: Record<string, number>
  clients: Record<string, number>
  groups: { name: string; points: SoakPoint[] }[]
}

interface Panel {
  name: string
  value: (point: SoakPoint) => number
}

const mebibyte = 1_048_576

const panels: Panel[] = [
  { name: 'heap after a garbage collection, MiB', value: ({ heap }) => heap / mebibyte },
  { name: 'resident memory, MiB', value: ({ resident }) => resident / mebibyte },
  { name: 'open descriptors', value: ({ descriptors }) => descriptors },
  { name: 'requests at work', value: ({ open }) => open }
]

// Okabe and Ito's, and two more; each as dark as lines on white must be.
const colours = ['#0072b2', '#c04f00', '#007a5a', '#a8457f', '#8a6d00', '#2f8fc4', '#57606a', '#7a3fb0', '#b3261e']

const panelHeight = 120
const gap = 56
const top = 136
const legendHeight = 84
const height = top + panels.length * (panelHeight + gap) + legendHeight

/** The memory, descriptors and requests of servers over the minutes of a soak */
export function drawSoak(
  machine: KeptResult['machine'],
  { minutes, seed, passed, groups, clients, faults }: KeptSoak
): string {
  const option: EChartsOption = {
    ...card(
      {
        title: 'What does a server keep of minutes of load and faults?',
        subtitle:
          `${sum(clients)} clients and ${sum(faults)} faults in ${minutes} minutes, over every transport and mode; a line for each process.\n` +
          `${passed ? 'Nothing was lost, miscounted or left behind.' : 'It has failed.'} Level is good.`,
        footer: `Node ${machine.node}, ${machine.processor}, ${machine.cores} cores. Seed ${seed}.`
      },
      height
    ),
    legend: {
      data: groups.map(({ name }) => name),
      left: margin,
      bottom: margin + 22,
      icon: 'roundRect',
      itemHeight: 4,
      itemWidth: 18,
      textStyle: { color: ink, fontSize: 13 }
    },
    grid: panels.map((_, index) => ({
      left: margin + 44,
      right: margin + 16,
      top: top + index * (panelHeight + gap),
      height: panelHeight
    })),
    xAxis: panels.map((_, index) => ({
      type: 'value' as const,
      gridIndex: index,
      min: 0,
      max: minutes,
      name: index === panels.length - 1 ? 'minutes' : '',
      nameLocation: 'middle' as const,
      nameGap: 26,
      nameTextStyle: { color: quiet, fontSize: 13 },
      axisLine: { lineStyle: { color: quiet } },
      axisLabel: { color: ink, fontSize: 13, showMaxLabel: false },
      splitLine: { show: false }
    })),
    yAxis: panels.map(({ name }, index) => ({
      type: 'value' as const,
      gridIndex: index,
      min: 0,
      splitNumber: 3,
      name,
      nameLocation: 'end' as const,
      nameGap: 12,
      nameTextStyle: { align: 'left' as const, color: quiet, fontSize: 13, padding: [0, 0, 0, -44] },
      axisLabel: { color: ink, fontSize: 13 },
      splitLine: { lineStyle: { color: rule } }
    })),
    series: panels.flatMap(({ value }, index) => groups.map((group, place) => line(group, value, index, place)))
  }
  return render(option, { width, height })
}

function line(
  { name, points }: { name: string; points: SoakPoint[] },
  value: (point: SoakPoint) => number,
  panel: number,
  place: number
): LineSeriesOption {
  const color = colours[place % colours.length] as string
  return {
    type: 'line',
    silent: true,
    name,
    xAxisIndex: panel,
    yAxisIndex: panel,
    symbol: 'none',
    data: points.map((point) => [point.at / 60, value(point)]),
    itemStyle: { color },
    lineStyle: { color, width: 1.6 }
  }
}

function sum(counts: Readonly<Record<string, number>>): string {
  return Object.values(counts)
    .reduce((total, count) => total + count, 0)
    .toLocaleString('en')
}

import { type EChartsOption, init } from 'echarts'

/** A picture as SVG: the same text each time that the same is drawn */
export function render(option: EChartsOption, size: { width: number; height: number }): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, ...size })
  try {
    chart.setOption(option)
    return `${withSteadyNames(withoutStyles(chart.renderToSVGString()))}\n`
  } finally {
    chart.dispose()
  }
}

// They say what happens below a pointer: to a picture, nothing.
function withoutStyles(svg: string): string {
  return svg.replace(/<style.*<\/style>\n?/s, '').replaceAll(/ class="[^"]*"/g, '')
}

// The library numbers what it has drawn in this process through, from one picture to the next.
function withSteadyNames(svg: string): string {
  const names = new Map<string, string>()
  return svg.replaceAll(/zr\d+-[a-z]+-?\d+/g, (name) => {
    const steady = names.get(name) ?? `n${names.size}`
    names.set(name, steady)
    return steady
  })
}

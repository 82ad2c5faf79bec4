import type { EChartsOption } from 'echarts'

// Told apart by those who see no red or no green as well (Okabe and Ito), and dark enough for text on white.
export const oursColour = '#0072b2'
export const rivalColour = '#c04f00'
export const quiet = '#57606a'
export const ink = '#1f2328'
export const rule = '#d8dee4'

const font = 'system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'

export const margin = 24
export const width = 860

export interface CardText {
  /** The question that the plot answers */
  title: string
  /** What is drawn, and which way is better; may have several lines */
  subtitle: string
  /** Under what it was measured */
  footer: string
}

/** What every plot has: a ground of its own, for pages that are light or dark, its title and what it was measured on */
export function card({ title, subtitle, footer }: CardText, height: number): EChartsOption {
  return {
    animation: false,
    textStyle: { fontFamily: font, fontSize: 13, color: ink },
    title: {
      text: title,
      subtext: subtitle,
      left: margin - 5,
      top: margin - 8,
      itemGap: 8,
      textStyle: { fontSize: 18, fontWeight: 600, color: ink },
      subtextStyle: { fontSize: 13, lineHeight: 18, color: quiet, rich: keyStyles }
    },
    graphic: [
      {
        type: 'rect',
        z: -10,
        silent: true,
        shape: { x: 0.5, y: 0.5, width: width - 1, height: height - 1, r: 10 },
        style: { fill: '#ffffff', stroke: rule, lineWidth: 1 }
      },
      {
        type: 'text',
        silent: true,
        x: margin,
        y: height - margin,
        style: { text: footer, fill: quiet, font: `12px ${font}`, verticalAlign: 'middle' }
      }
    ]
  }
}

const keyStyles = {
  // Room for letters that are wider than the library takes them for
  ours: { color: oursColour, fontWeight: 600 as const, padding: [0, 48, 0, 0] },
  rival: { color: rivalColour, fontWeight: 600 as const }
}

/** A subtitle's line that says whose marks are whose */
export function keyOf(ours: string, rival: string): string {
  return `{ours|● ${ours}}{rival|● ${rival}}`
}

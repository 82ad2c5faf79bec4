import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** An example as it stands in a doc comment or in the README. */
export interface Example {
  /** Where it stands: file and line. */
  readonly where: string
  /** The code. */
  readonly code: string
  /** What a client sends, and what must come back: of the README's servers, which run until they are closed. */
  readonly tries: readonly { readonly kind: string; readonly input: string; readonly reply: string }[]
}

const unescaped = (text: string): string => JSON.parse(`"${text}"`) as string

/** The examples of a Markdown file: its `ts` blocks. A comment `<!-- try: tcp a\n -> A\n -->` before one says what to ask. */
export function markdownExamples(file: string): Example[] {
  const lines = readFileSync(file, 'utf8').split('\n')
  const examples: Example[] = []
  let tries: Example['tries'][number][] = []
  for (let i = 0; i < lines.length; i++) {
    const asked = /^<!-- try: (\w+) (.*) -> (.*) -->$/.exec(lines[i] ?? '')
    if (asked !== null) {
      const [, kind = '', input = '', reply = ''] = asked
      tries.push({ kind, input: unescaped(input), reply: unescaped(reply) })
    }
    if (lines[i] !== '```ts') continue
    const end = lines.indexOf('```', i)
    examples.push({ where: `${file}:${i + 1}`, code: lines.slice(i + 1, end).join('\n'), tries })
    tries = []
    i = end
  }
  return examples
}

/** The examples of a source file: what stands under `@example` in its doc comments. */
export function sourceExamples(file: string): Example[] {
  const text = readFileSync(file, 'utf8')
  const examples: Example[] = []
  for (const comment of text.matchAll(/\/\*\*[\s\S]*?\*\//g)) {
    const lines = comment[0].split('\n').map((line) => line.replace(/^\s*\/?\*+\/?( |$)/, ''))
    for (let i = 0; i < lines.length; i++) {
      if (lines[i]?.trim() !== '@example') continue
      const next = lines.findIndex((line, at) => at > i && /^@\w+/.test(line))
      const code = lines.slice(i + 1, next === -1 ? undefined : next).join('\n')
      const line = text.slice(0, comment.index).split('\n').length + i
      examples.push({ where: `${file}:${line}`, code, tries: [] })
    }
  }
  return examples
}

/** Every TypeScript file below a folder. */
export function sources(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name))
    .sort()
}

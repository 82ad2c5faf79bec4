import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import ts from 'typescript'

const folder = '.build/programs'

/**
 * Examples as programs that any Node runs; they find the compiled package by its name.
 *
 * @param sources - files in one folder that import each other, the program first
 * @returns where the program is
 */
export function compiled(...sources: readonly string[]): string {
  mkdirSync(folder, { recursive: true })
  const [program] = sources.map((source) => {
    const { outputText } = ts.transpileModule(readFileSync(source, 'utf8'), {
      compilerOptions: {
        module: ts.ModuleKind.ESNext,
        target: ts.ScriptTarget.ES2022,
        rewriteRelativeImportExtensions: true
      }
    })
    const target = join(folder, `${basename(source, '.ts')}.js`)
    writeFileSync(target, outputText)
    return target
  })
  return program as string
}

import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const compiled = new URL('../../dist/index.js', import.meta.url)
const folder = mkdtempSync(join(tmpdir(), 'it-socketserver-handlers-'))
let made = 0

/** A module of plain JavaScript, which has the compiled package as `lib`: what children and threads load. */
export function handlerModule(code: string): URL {
  const file = join(folder, `handler-${++made}.mjs`)
  writeFileSync(file, `import * as lib from ${JSON.stringify(compiled.href)}\n${code}\n`)
  return pathToFileURL(file)
}

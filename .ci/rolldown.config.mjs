/**
 * What is published: one file that holds the library, and thin ones for each way in. Node takes 110 ms to load the modules
 * one by one and 30 ms to load them as one, and a child that serves requests pays that each time.
 */

const entries = [
  'index',
  'cli/main',
  'testing/entry',
  'testing/mode-handler',
  'flow/worker/child-entry',
  'flow/worker/passed-child-entry',
  'flow/worker/thread-entry'
]

/** @type {import('rolldown').RolldownOptions} */
export default {
  input: Object.fromEntries(entries.map((entry) => [entry, `lib/${entry}.ts`])),
  platform: 'node',
  // What users install beside it.
  external: [/^node:/, 'koffi', 'it-pipe', 'it-pushable', 'uint8arraylist'],
  transform: { target: 'node20.19' },
  treeshake: false,
  output: {
    dir: 'dist',
    format: 'esm',
    sourcemap: true,
    entryFileNames: '[name].js',
    chunkFileNames: '[name].js',
    comments: false,
    // All in one: what lies beside it is found from there.
    codeSplitting: { groups: [{ name: 'library', test: /\/lib\/(?!testing\/|cli\/|index\.ts|.*-entry\.ts)/ }] }
  }
}

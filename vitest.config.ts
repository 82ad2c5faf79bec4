import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  resolve: {
    // Specs say what users say; the children that they start load the compiled package by the same name.
    alias: {
      'it-socketserver/testing': fileURLToPath(new URL('lib/testing/entry.ts', import.meta.url)),
      'it-socketserver': fileURLToPath(new URL('lib/index.ts', import.meta.url))
    }
  },
  test: {
    include: ['spec/**/*.spec.ts'],
    pool: 'forks',
    testTimeout: 20_000,
    hookTimeout: 20_000,
    watch: false
  }
})

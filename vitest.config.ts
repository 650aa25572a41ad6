import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/build.ts'],
    testTimeout: 90_000,
    hookTimeout: 90_000,
    // A second is less than a loaded machine may take between two turns.
    expect: { poll: { timeout: 15_000 } },
  },
})

import { defineConfig } from 'vitest/config'

// Each test has streams of its own, so many run at once. They time the server with fetch, some to half a second, on a
// machine that may have other things to do: what is late is asked again.
export default defineConfig({
  test: {
    include: ['conformance.test.js'],
    sequence: { concurrent: true },
    maxConcurrency: Number(process.env.STREAM_TESTS_AT_ONCE),
    testTimeout: 30000,
    retry: 2,
  },
})

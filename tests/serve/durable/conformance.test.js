// The protocol's own tests, for each of the servers that STREAM_SERVERS names: {"memory": "http://127.0.0.1:8000"}.
import { runConformanceTests } from '@durable-streams/server-conformance-tests'
import { describe } from 'vitest'

for (const [name, baseUrl] of Object.entries(JSON.parse(process.env.STREAM_SERVERS))) {
  describe(name, () => runConformanceTests({ baseUrl, longPollTimeoutMs: 5000 }))
}

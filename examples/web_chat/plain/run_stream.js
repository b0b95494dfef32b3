// A run of `stream_router` as one changing object: asked for, followed, lost, picked up again, stopped.
//
//   const run = runStream('/runs', { onChange: (shown) => ... })
//   run.ask('...'); run.follow(stream); run.stop()

import { patched, streamFrames } from '/stream_client.js'

export function runStream(url, { onChange }) {
  let shown = nothing()
  let current = new AbortController()

  const change = (changed) => onChange((shown = { ...shown, ...changed }))

  async function read(frames, signal) {
    try {
      for await (const frame of frames) change(after(shown, frame))
      if (shown.status === 'going') change({ status: 'over' })
    } catch (error) {
      if (!signal.aborted) change({ status: 'lost', reason: error.message })
    }
  }

  function begin(request) {
    current.abort()
    current = new AbortController()
    change({ ...nothing(), status: 'going' })
    return read(request(current.signal), current.signal)
  }

  return {
    async ask(prompt) {
      const body = JSON.stringify({ prompt })
      // Should the answer to this be lost, the same key finds the run that it has started.
      const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': crypto.randomUUID() }
      const response = await fetch(`${url}/`, { method: 'POST', body, headers })
      const { stream, message } = await response.json()
      if (stream) await this.follow(stream)
      else change({ ...nothing(), status: 'refused', reason: message })
    },
    follow(stream) {
      return begin((signal) => streamFrames(`${url}/${stream}`, { signal, retries: 1000 }))
    },
    async stop() {
      if (shown.stream) await fetch(`${url}/${shown.stream}`, { method: 'DELETE' })
    },
  }
}

const nothing = () => ({ stream: '', text: '', output: undefined, tools: new Map(), status: '', reason: '' })

/** What is to be shown after one more frame. */
function after(shown, frame) {
  switch (frame.type) {
    case 'start':
      return { stream: frame.stream }
    case 'text':
      return { text: shown.text + frame.text }
    case 'retraction':
      return { text: shown.text.slice(0, shown.text.length - frame.text.length) }
    case 'tool_call':
      return { tools: new Map(shown.tools).set(frame.number, frame) }
    case 'output':
      return { output: patched(structuredClone(shown.output), frame.patch) }
    case 'end':
    case 'error':
      return { status: frame.finish }
    default:
      return {}
  }
}

// A run of `stream_router` as one changing object: asked for, followed, lost, picked up again, stopped.
//
//   const run = runStream('/runs', { onChange: (shown) => ... })
//   run.ask('...'); run.follow(stream); run.stop()

import { patched, streamFrames } from '/stream_client.js'

const LONGEST_WAIT = 15_000

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

  function begin(known) {
    current.abort()
    current = new AbortController()
    change({ ...nothing(), ...known, status: 'going' })
    return current.signal
  }

  return {
    async ask(prompt) {
      const signal = begin({})
      const body = JSON.stringify({ prompt })
      // Should the answer to this be lost, the same key finds the run that it has started.
      const headers = { 'Content-Type': 'application/json', 'Idempotency-Key': crypto.randomUUID() }
      const response = await answered(`${url}/`, { method: 'POST', body, headers }, signal)
      const { stream, message } = await response.json().catch(() => ({ message: `status ${response.status}` }))
      if (!stream) {
        if (!signal.aborted) change({ status: 'refused', reason: message })
      }
      // Stop was pressed before it was known what to stop.
      else if (signal.aborted) await fetch(`${url}/${stream}`, { method: 'DELETE' })
      else await this.follow(stream)
    },
    follow(stream) {
      const signal = begin({ stream })
      return read(streamFrames(`${url}/${stream}`, { signal, retries: 1000 }), signal)
    },
    async stop() {
      if (shown.stream) await fetch(`${url}/${shown.stream}`, { method: 'DELETE' })
      else {
        current.abort()
        change({ status: 'stopped' })
      }
    },
  }
}

/** The response to a request that can be sent again, and is while the server cannot be reached or is too busy. */
async function answered(url, request, signal) {
  for (let wait = 1000; ; wait = Math.min(2 * wait, LONGEST_WAIT)) {
    // Without a response it is not known whether a run has begun: that is asked even if it is only to be stopped.
    const response = await fetch(url, request).catch(() => undefined)
    if (response && (signal.aborted || ![429, 503].includes(response.status))) return response
    await new Promise((resolve) => setTimeout(resolve, wait))
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

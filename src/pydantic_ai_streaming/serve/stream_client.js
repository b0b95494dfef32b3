// Reads what SSEResponse and stream_router send, in browsers and in Node: no build step, no dependencies.
//
//   import { streamFrames } from './stream_client.js'
//   const controller = new AbortController()           // controller.abort() is the stop button
//   for await (const frame of streamFrames('/answer', { method: 'POST', body, signal: controller.signal })) ...
//
// A body that is a text is sent as JSON, unless `headers` say otherwise.
//
// A connection that is lost is picked up after the last frame; the run is never started a second time.
// The last frame is `end` or `error`; without one, streamFrames throws.

const LONGEST_WAIT = 15000

export class StreamLost extends Error {}

export async function* streamFrames(url, { retries = 5, signal, ...request } = {}) {
  let lastId = ''
  let wait = 1000
  for (let failures = 0; ; ) {
    let later = false
    try {
      const headers = new Headers(request.headers)
      // Who takes events alone is told of a server that is busy by a stream without any; here, a status is of more use.
      headers.set('Accept', 'text/event-stream, application/json')
      if (typeof request.body === 'string' && !headers.has('Content-Type')) {
        headers.set('Content-Type', 'application/json') // which fetch would call text/plain
      }
      if (lastId) headers.set('Last-Event-ID', lastId)
      const response = await fetch(url, { ...request, headers, signal, cache: 'no-store' })
      if (response.status === 204) return
      later = [429, 503].includes(response.status) && (request.method ?? 'GET') === 'GET'
      if (later || (response.status >= 500 && lastId)) throw new TypeError(`status ${response.status}`)
      if (!response.ok) throw new StreamLost(`there is no stream: status ${response.status}${await reason(response)}`)
      for await (const event of events(response.body)) {
        if (event.retry !== undefined) wait = event.retry
        if (event.id !== undefined) lastId = event.id
        if (event.data === undefined) continue
        failures = 0
        const frame = JSON.parse(event.data)
        yield frame
        if (frame.type === 'end' || frame.type === 'error') return
      }
      throw new TypeError('the connection was closed before the end')
    } catch (error) {
      // Without an id it is not known whether the run has begun, and asking again would begin another one; unless the
      // server has said that it is too busy for that.
      if (signal?.aborted || !(error instanceof TypeError)) throw error
      if (!(lastId || later) || ++failures > retries) {
        throw new StreamLost(`the stream is lost: ${error.message}`, { cause: error })
      }
      await pause(Math.min(wait * 2 ** (failures - 1), LONGEST_WAIT), signal)
    }
  }
}

// What the server says to a status, as far as it is a sentence.
async function reason(response) {
  const text = await response.text().catch(() => '')
  try {
    const { message, detail } = JSON.parse(text)
    return `: ${message ?? (typeof detail === 'string' ? detail : JSON.stringify(detail))}`
  } catch {
    return ''
  }
}

async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  try {
    let rest = ''
    for (let event = {}; ; ) {
      const { done, value } = await reader.read()
      if (done) return
      const lines = (rest + value).split('\n') // the line ends that SSEResponse writes
      rest = lines.pop()
      for (const line of lines) {
        if (line === '') {
          yield event
          event = {}
        } else if (line.startsWith('data: ')) {
          event.data = event.data === undefined ? line.slice(6) : event.data + '\n' + line.slice(6)
        } else if (line.startsWith('id: ')) {
          event.id = line.slice(4)
        } else if (line.startsWith('retry: ')) {
          event.retry = Number(line.slice(7))
        }
      }
    }
  } finally {
    await reader.cancel().catch(() => {})
  }
}

// A browser that is online again does not wait any longer.
function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const over = (settle, value) => {
      clearTimeout(timer)
      globalThis.removeEventListener?.('online', online)
      signal?.removeEventListener('abort', aborted)
      settle(value)
    }
    const online = () => over(resolve)
    const aborted = () => over(reject, signal.reason)
    const timer = setTimeout(online, milliseconds)
    globalThis.addEventListener?.('online', online)
    signal?.addEventListener('abort', aborted)
  })
}

// The structured output after an `output` frame: JSON Patch, and `str_ins` for text that grows at its end.
export function patched(document, patch) {
  for (const { op, path, value, str } of patch) {
    const steps = path.split('/').slice(1).map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
    if (steps.length === 0) {
      document = op === 'str_ins' ? document + str : value
      continue
    }
    const key = steps.pop()
    const parent = steps.reduce((place, step) => place[step], document)
    if (op === 'remove') Array.isArray(parent) ? parent.splice(Number(key), 1) : delete parent[key]
    else if (op === 'str_ins') parent[key] += str
    else if (op === 'add' && Array.isArray(parent)) parent.splice(key === '-' ? parent.length : Number(key), 0, value)
    else Object.defineProperty(parent, key, { value, writable: true, enumerable: true, configurable: true })
  }
  return document
}

import type { UIMessage } from 'ai'

/** What the server adds to a message, each with an id by which it is changed in place. */
export type Parts = {
  'streaming.partial_output': { value: Partial<Trip>; streaming: string | null; is_final: boolean }
  'streaming.tool_call': { number: number; tool: string; kind: string; state: string; arguments?: unknown; result?: unknown }
  'streaming.timeline': { spans: [activity: string, start: number, end: number][] }
  looking: { page: number; pages: number }
}

export type Trip = { title: string; boat: string; price: number; stops: string[]; advice: string }

export type Message = UIMessage<unknown, Parts>

export const RUNS = '/runs/ai-sdk'

const LONGEST_WAIT = 15_000

/** `fetch`, which asks again while the server answers that it cannot now, and while no server can be reached. */
export async function patientFetch(input: RequestInfo | URL, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers)
  // Should the answer to a question be lost, the same key finds what it has started.
  if (init.method === 'POST') headers.set('Idempotency-Key', crypto.randomUUID())
  for (let wait = 1000; ; wait = Math.min(2 * wait, LONGEST_WAIT)) {
    try {
      const response = await fetch(input, { ...init, headers })
      if (response.status !== 503 && response.status !== 429) return response
    } catch (error) {
      if (init.signal?.aborted) throw error
    }
    await pause(wait, init.signal)
  }
}

/** A browser that is online again waits no longer. */
function pause(milliseconds: number, signal?: AbortSignal | null): Promise<void> {
  const until = new AbortController()
  return new Promise<void>((resolve, reject) => {
    setTimeout(resolve, milliseconds)
    addEventListener('online', () => resolve(), { signal: until.signal })
    signal?.addEventListener('abort', () => reject(signal.reason), { signal: until.signal })
  }).finally(() => until.abort())
}

/** What has been said in a chat, the question included that is being answered. */
export async function said(chat: string): Promise<Message[]> {
  const response = await patientFetch(`/chats/${chat}`)
  if (!response.ok) throw new Error(`the chat cannot be loaded: status ${response.status}`)
  return response.json()
}

/** Stop what goes on in a chat, in whichever worker: closing the connection would not. */
export async function stopRun(chat: string): Promise<void> {
  await patientFetch(`${RUNS}/${chat}/stop`, { method: 'POST' })
}

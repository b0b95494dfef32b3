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

/** What has been said in a chat, the question included that is being answered. */
export async function said(chat: string): Promise<Message[]> {
  const response = await fetch(`/chats/${chat}`)
  if (!response.ok) throw new Error(`the chat cannot be loaded: status ${response.status}`)
  return response.json()
}

/** Stop what goes on in a chat, in whichever worker: closing the connection would not. */
export async function stopRun(chat: string): Promise<void> {
  await fetch(`${RUNS}/${chat}/stop`, { method: 'POST' })
}

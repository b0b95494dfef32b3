import { useChat } from '@ai-sdk/react'
import { DefaultChatTransport } from 'ai'
import { useCallback, useEffect, useRef, useState, type FormEvent } from 'react'

import { MessageView } from './MessageView'
import { patientFetch, RUNS, said, stopRun, type Message } from './server'

export function ChatPage({ chat, messages: before }: { chat: string; messages: Message[] }) {
  const [prompt, setPrompt] = useState('How do we get to Farland?')
  const online = useOnline()
  const { messages, status, error, sendMessage, setMessages, resumeStream, clearError } = useChat<Message>({
    id: chat,
    messages: before,
    transport: new DefaultChatTransport({ api: RUNS, fetch: patientFetch }),
    throttle: 50,
  })
  const [ready, setReady] = useState(false)
  const going = status === 'submitted' || status === 'streaming'
  const lost = error instanceof TypeError // the connection, and not the answer

  const latest = useRef(messages)
  latest.current = messages
  const goOn = useCallback(async () => {
    const known = latest.current.at(-1)
    setReady(false)
    await resumeStream()
    const last = latest.current.at(-1)
    // If there was nothing to resume, an answer may have ended meanwhile, and the server has the whole of it. If what was
    // resumed is no answer to what was known, it came between the two requests: it is there twice, or without its question.
    if (last === known || (last?.id !== known?.id && known?.role !== 'user')) setMessages(await said(chat))
    setReady(true)
  }, [chat, resumeStream, setMessages])

  // After a reload, and in a second tab: what goes on is shown from its beginning. `resume: true` does the same, but does
  // not tell when it has found nothing, and so neither when it is safe to ask: what is asked before that, it finds too.
  useEffect(() => {
    void goOn()
  }, [goOn])

  useEffect(() => {
    if (!lost || !online) return
    clearError()
    void goOn()
  }, [lost, online, clearError, goOn])

  const ask = (event: FormEvent) => {
    event.preventDefault()
    if (prompt.trim() && ready && !going) void sendMessage({ text: prompt })
  }

  return (
    <main>
      <h1>A chat that a browser can lose</h1>
      <p className="hint">
        Reload in the middle of an answer, open this address in a second tab, go offline and online again, or press Stop.
        The model is scripted unless the server was started with one.
      </p>
      <section data-testid="messages" aria-live="polite">
        {messages.map((message, index) => (
          <MessageView key={message.id} message={message} going={going && index === messages.length - 1} />
        ))}
        {status === 'submitted' && <p className="assistant going" />}
      </section>
      {error && !lost && <p className="error">{error.message}</p>}
      {!online && <p className="error">Offline: what comes meanwhile is shown when you are back.</p>}
      <form onSubmit={ask}>
        <input value={prompt} onChange={(event) => setPrompt(event.target.value)} aria-label="prompt" />
        {going ? (
          // Before the first of the answer, the server may not know yet what is to be stopped.
          <button type="button" disabled={status !== 'streaming'} onClick={() => stopRun(chat)}>
            Stop
          </button>
        ) : (
          <button disabled={!ready}>Ask</button>
        )}
      </form>
      <p className="status" data-testid="status">
        {status}
      </p>
    </main>
  )
}

function useOnline(): boolean {
  const [online, setOnline] = useState(navigator.onLine)
  useEffect(() => {
    const look = () => setOnline(navigator.onLine)
    addEventListener('online', look)
    addEventListener('offline', look)
    return () => {
      removeEventListener('online', look)
      removeEventListener('offline', look)
    }
  }, [])
  return online
}

import { StrictMode, Suspense, use } from 'react'
import { createRoot } from 'react-dom/client'

import { ChatPage } from './ChatPage'
import { said } from './server'
import './page.css'

// The chat is in the address, so that a reload and a second tab are about the same one.
const chat = new URLSearchParams(location.search).get('chat') ?? crypto.randomUUID()
history.replaceState(null, '', `?chat=${chat}`)
const loaded = said(chat)

function Loaded() {
  return <ChatPage chat={chat} messages={use(loaded)} />
}

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <Suspense fallback={<p>…</p>}>
      <Loaded />
    </Suspense>
  </StrictMode>,
)

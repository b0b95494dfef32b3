// One question through each of the two real clients. Prints what each of them has shown, as JSON.
//
//     node clients.mjs http://127.0.0.1:8000

import { HttpAgent } from '@ag-ui/client'
import { AbstractChat, DefaultChatTransport } from 'ai'

const [address] = process.argv.slice(2)
const QUESTION = 'How do we get to Farland?'

/** What a client keeps in place: under its id the last `data`, and how often it came. */
class Shown {
  text = ''
  kept = {}

  take({ type, id, data }) {
    const changes = (this.kept[id]?.changes ?? 0) + 1
    this.kept[id] = { type, changes, data }
  }
}

class State {
  status = 'ready'
  error = undefined
  messages = []
  pushMessage = (message) => (this.messages = [...this.messages, message])
  popMessage = () => (this.messages = this.messages.slice(0, -1))
  replaceMessage = (index, message) => (this.messages = this.messages.with(index, message))
  snapshot = (value) => structuredClone(value)
}

/** The AI SDK, as `useChat` has it, without React. */
class Chat extends AbstractChat {
  constructor(path, onData) {
    super({ state: new State(), transport: new DefaultChatTransport({ api: `${address}/ai${path}` }), onData })
  }
}

/** It changes a data part in place by itself. */
async function aiSdk() {
  const shown = new Shown()
  const changes = {}
  const chat = new Chat('', (part) => (changes[part.id] = (changes[part.id] ?? 0) + 1))
  await chat.sendMessage({ text: QUESTION })
  if (chat.error) throw chat.error
  // The data parts come with the history of the next question, and are no part of it for the model.
  const { parts } = chat.messages.at(-1)
  for (const part of parts) {
    if (part.type === 'text') shown.text += part.text
    if (part.type.startsWith('data-')) shown.take(part)
  }
  const inPlace = Object.values(shown.kept).every(({ changes }) => changes === 1)
  for (const [id, part] of Object.entries(shown.kept)) part.changes = changes[id]
  await chat.sendMessage({ text: QUESTION })
  if (chat.error) throw chat.error
  return { ...shown, inPlace, turns: chat.messages.length / 2 }
}

/** AG-UI: custom events are the program's to keep, under the id that they bring. */
async function agUi() {
  const shown = new Shown()
  const agent = new HttpAgent({ url: `${address}/ag-ui` })
  const subscriber = {
    onTextMessageContentEvent: ({ event }) => void (shown.text += event.delta),
    onCustomEvent: ({ event }) => void (event.name.startsWith('streaming.') && shown.take(event.value)),
  }
  agent.addMessage({ id: crypto.randomUUID(), role: 'user', content: QUESTION })
  await agent.runAgent({}, subscriber)
  const inPlace = Object.values(shown.kept).every(({ changes }) => changes >= 1)
  const first = structuredClone({ ...shown, inPlace })
  agent.addMessage({ id: crypto.randomUUID(), role: 'user', content: QUESTION })
  await agent.runAgent({}, subscriber)
  return { ...first, turns: 2 }
}

/** A reply that stalls in its middle: its texts, and what was told of the recovery, in the order in which they came. */
async function aiSdkRecovered(step) {
  const chat = new Chat(`/${step}`)
  await chat.sendMessage({ text: QUESTION })
  if (chat.error) throw chat.error
  const { parts } = chat.messages.at(-1)
  return {
    texts: parts.filter(({ type }) => type === 'text').map(({ text }) => text),
    told: parts.filter(({ type }) => type === 'data-stream_recovered').map(({ data }) => data),
    order: parts.map(({ type }) => type).filter((type) => type === 'text' || type.startsWith('data-')),
  }
}

async function agUiRecovered(step) {
  const recovered = { texts: [], told: [], order: [] }
  const agent = new HttpAgent({ url: `${address}/ag-ui/${step}` })
  agent.addMessage({ id: crypto.randomUUID(), role: 'user', content: QUESTION })
  await agent.runAgent({}, {
    onTextMessageStartEvent: () => void (recovered.texts.push(''), recovered.order.push('text')),
    onTextMessageContentEvent: ({ event }) => void (recovered.texts[recovered.texts.length - 1] += event.delta),
    onCustomEvent: ({ event }) => void (recovered.told.push(event.value), recovered.order.push(`data-${event.name}`)),
  })
  return recovered
}

async function bySteps(ask) {
  return { continue: await ask('continue'), restart: await ask('restart') }
}

console.log(
  JSON.stringify({
    'ai': { ...(await aiSdk()), recovered: await bySteps(aiSdkRecovered) },
    '@ag-ui/client': { ...(await agUi()), recovered: await bySteps(agUiRecovered) },
  }),
)
process.exit(0)

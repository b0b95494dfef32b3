// A page of a real Chromium. Prints what came of it, as JSON.
//
//     node event_source.mjs CHROMIUM ADDRESS SCENE ...

import { chromium } from 'playwright-core'

const [executablePath, address, scene, ...given] = process.argv.slice(2)

// These run in the page.
const scenes = {
  /** An EventSource, until its last frame or until it connects no more. */
  follow: (path) =>
    new Promise((resolve) => {
      const seen = { frames: [], ids: [], errors: 0, over: false }
      const source = new EventSource(path)
      source.onmessage = (event) => {
        const frame = JSON.parse(event.data)
        seen.frames.push(frame)
        seen.ids.push(event.lastEventId)
        if (frame.type !== 'end' && frame.type !== 'error') return
        seen.over = true
        source.close()
        resolve(seen)
      }
      source.onerror = () => {
        seen.errors += 1
        if (source.readyState === EventSource.CLOSED) resolve(seen)
      }
    }),

  /** All that an EventSource is given, until it connects no more. */
  data: (path) =>
    new Promise((resolve) => {
      const data = []
      const source = new EventSource(path)
      source.onmessage = (event) => data.push(event.data)
      source.onerror = () => source.readyState === EventSource.CLOSED && resolve(data)
    }),

  /** What a page can send to another site without asking: a WebSocket, and a beacon. */
  foreign: async (webSocket, beacon) => {
    const opened = await new Promise((resolve) => {
      const socket = new WebSocket(webSocket)
      socket.onopen = () => resolve(true)
      socket.onerror = () => resolve(false)
    })
    return { opened, sent: navigator.sendBeacon(beacon) }
  },
}

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
try {
  const page = await browser.newPage()
  await page.goto(address)
  const told = await page.evaluate(`(${scenes[scene]})(...${JSON.stringify(given)})`)
  await page.waitForTimeout(scene === 'foreign' ? 500 : 0)
  console.log(JSON.stringify(told))
} finally {
  await browser.close()
}

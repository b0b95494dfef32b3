// One scene in a real Chromium. Prints what was seen, as JSON; screenshots go into a folder.
//
//     node drive.mjs SCENE ADDRESS FOLDER CHROMIUM

import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

import { chromium } from 'playwright-core'

const [scene, server, folder, executablePath] = process.argv.slice(2)

/** A network that can fail: setOffline of the browser leaves connections as they are. */
class Network {
  sockets = new Set()
  down = false

  async open(target) {
    const { hostname, port } = new URL(target)
    this.listening = createServer((from) => {
      if (this.down) return from.destroy()
      const to = connect(Number(port), hostname)
      for (const [one, other] of [[from, to], [to, from]]) {
        this.sockets.add(one)
        one.pipe(other)
        one.on('error', () => other.destroy())
        one.on('close', () => (this.sockets.delete(one), other.destroy()))
      }
    })
    await new Promise((resolve) => this.listening.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${this.listening.address().port}`
  }

  async fail() {
    this.down = true
    await context.setOffline(true)
    for (const socket of this.sockets) socket.destroy()
  }

  async recover() {
    this.down = false
    await context.setOffline(false)
  }

  close() {
    for (const socket of this.sockets) socket.destroy()
    this.listening.close()
  }
}

const network = new Network()
const address = await network.open(server)

const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] })
const context = await browser.newContext({ viewport: { width: 900, height: 640 } })
const problems = []

async function open(path) {
  const page = await context.newPage()
  page.on('pageerror', (error) => problems.push(String(error)))
  await page.goto(address + path)
  return page
}

const text = (page) => page.getByTestId('assistant').locator('.text').first()
const shown = async (page) => ((await text(page).count()) ? text(page).textContent() : '')
const counts = async () => (await fetch(`${server}/counts`)).json()
const whole = (page) => page.waitForFunction(() => document.querySelector('.trip.final'), null, { timeout: 60_000 })
const shot = (page, name) => page.screenshot({ path: join(folder, `${scene}-${name}.png`), fullPage: true })
const ask = (page) => page.getByRole('button', { name: 'Ask' }).click()
const over = (page) => page.locator('button:enabled', { hasText: 'Ask' }).waitFor({ timeout: 60_000 })

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

/** Have whoever plays this do something, and wait until it is done. */
async function have(done) {
  console.log(done)
  await lines.next()
}

/** Do something while the clock of the server stands still. */
async function held(work) {
  await have('hold')
  try {
    return await work()
  } finally {
    await have('go')
  }
}

/** The statuses of the responses that a page gets from now on. */
function statuses(page) {
  const seen = []
  page.on('response', (response) => seen.push(response.status()))
  return seen
}

/** Until a page has been told so many times that the server cannot answer now. */
async function refused(page, seen, times) {
  const until = Date.now() + 30_000
  while (seen.filter((status) => status === 503).length < times) {
    if (Date.now() > until) throw new Error(`after 30 s there is ${seen}`)
    await page.waitForTimeout(50)
  }
}

/** Until so many characters of the answer are there. */
async function grown(page, characters) {
  const until = Date.now() + 30_000
  while ((await shown(page)).length < characters) {
    if (Date.now() > until) throw new Error(`after 30 s there is ${JSON.stringify(await shown(page))}`)
    await page.waitForTimeout(20)
  }
}

async function seen(page) {
  const trips = page.getByTestId('trip')
  return {
    text: await shown(page),
    assistants: await page.getByTestId('assistant').count(),
    users: await page.getByTestId('user').count(),
    trips: await trips.count(),
    trip: (await trips.count()) ? await trips.last().locator('dd').allTextContents() : [],
    tools: await page.getByTestId('tool').allTextContents(),
    timelines: await page.getByTestId('timeline').count(),
    cursors: await page.locator('.going').count(),
    url: page.url(),
    ...(await counts()),
  }
}

const scenes = {
  async answer() {
    const page = await open('/')
    await page.evaluate(() => {
      const seen = (window.seen = { texts: [], fields: [] })
      const note = (list, one) => list.at(-1) !== one && list.push(one)
      new MutationObserver(() => {
        const text = document.querySelector('[data-testid=assistant] .text')
        const trip = document.querySelector('[data-testid=trip]')
        if (text) note(seen.texts, text.textContent)
        if (trip) note(seen.fields, trip.querySelectorAll('dd:not(.waiting)').length)
      }).observe(document.body, { childList: true, characterData: true, subtree: true })
    })
    await ask(page)
    await grown(page, 20)
    const cursors = await held(async () => {
      await shot(page, '1-writing')
      return page.locator('.going').count()
    })
    await page.waitForFunction(() => [2, 3, 4].includes(window.seen.fields.at(-1)), null, { timeout: 60_000 })
    const filled = await held(async () => {
      await shot(page, '2-filling-in')
      return page.getByTestId('trip').locator('dd:not(.waiting)').count()
    })
    await over(page)
    await shot(page, '3-over')
    return { ...(await seen(page)), ...(await page.evaluate(() => window.seen)), filled, writing: cursors }
  },

  async stop() {
    const page = await open('/')
    await ask(page)
    await grown(page, 40)
    const stopped = await held(async () => {
      await page.getByRole('button', { name: 'Stop' }).click()
      await over(page)
      return seen(page)
    })
    await page.waitForTimeout(1500) // the text would be whole by then
    await shot(page, 'stopped')
    await page.reload()
    await grown(page, 1)
    return { stopped, later: await seen(page) }
  },

  async reload() {
    const page = await open('/')
    await ask(page)
    await grown(page, 60)
    const [before, after] = await held(async () => {
      const before = await shown(page)
      await page.reload()
      await grown(page, before.length)
      await shot(page, '1-loaded-again')
      return [before, await shown(page)]
    })
    const tool = page.getByTestId('tool').first()
    await tool.waitFor({ timeout: 30_000 })
    await held(async () => {
      await page.reload() // while the tool is at work
      await tool.waitFor({ timeout: 30_000 })
    })
    await over(page)
    await whole(page)
    await shot(page, '2-over')
    return { before, after, ...(await seen(page)) }
  },

  async offline() {
    const page = await open('/')
    await ask(page)
    await grown(page, 60)
    await network.fail()
    await page.getByTestId('status').filter({ hasText: 'error' }).waitFor()
    const frozen = await shown(page)
    while (!(await counts()).tool_runs) await page.waitForTimeout(20) // meanwhile the text goes on to its end
    const still = await held(async () => {
      const still = await shown(page)
      await shot(page, '1-offline')
      await network.recover()
      await page.getByTestId('tool').first().waitFor({ timeout: 30_000 })
      return still
    })
    await whole(page)
    await over(page)
    await shot(page, '2-online')
    return { frozen, still, ...(await seen(page)) }
  },

  async away() {
    const page = await open('/')
    await ask(page)
    await grown(page, 60)
    await network.fail()
    while ((await (await fetch(`${server}/chats/${new URL(page.url()).searchParams.get('chat')}`)).json()).length < 2)
      await page.waitForTimeout(100)
    await network.recover()
    await whole(page)
    await over(page)
    return seen(page)
  },

  /** What is loaded and what is resumed are of two moments: the one may have the answer too, or not yet the question. */
  async seams() {
    const page = await open('/')
    await ask(page)
    await grown(page, 20)
    const { search, searchParams } = new URL(page.url())
    const body = await (await fetch(`${server}/runs/ai-sdk/${searchParams.get('chat')}/stream`)).text()
    await over(page)
    const seams = {}
    for (const [name, before] of [['answered', undefined], ['unasked', '[]']]) {
      const later = await context.newPage()
      const headers = { 'x-vercel-ai-ui-message-stream': 'v1', 'content-type': 'text/event-stream' }
      await later.route('**/stream', (route) => route.fulfill({ headers, body }), { times: 1 })
      if (before) await later.route('**/chats/*', (route) => route.fulfill({ json: JSON.parse(before) }), { times: 1 })
      await later.goto(`${address}/${search}`)
      await whole(later)
      await over(later)
      // What the page has been given last is drawn a little later.
      const drawn = () => document.querySelectorAll('article').length === 2 && document.querySelector('article.user')
      await later.waitForFunction(drawn, null, { timeout: 5_000 }).catch(() => {})
      seams[name] = await seen(later)
    }
    return seams
  },

  /** A question that is asked while the page still finds out whether there is something to resume. */
  async early() {
    await context.route('**/stream', (route) => setTimeout(() => route.continue(), 1500))
    const page = await open('/')
    await ask(page)
    await grown(page, 20)
    await over(page)
    return seen(page)
  },

  async tabs() {
    const first = await open('/')
    await ask(first)
    await grown(first, 60)
    const second = await held(async () => {
      const second = await open(`/${new URL(first.url()).search}`)
      await grown(second, 60)
      return second
    })
    await Promise.all([whole(first), whole(second)])
    await Promise.all([over(first), over(second)])
    await shot(second, 'second')
    return { first: await seen(first), second: await seen(second) }
  },

  async plain() {
    const page = await open('/plain')
    const answer = page.getByTestId('answer')
    const enough = async (characters) => {
      while ((await answer.textContent()).length < characters) await page.waitForTimeout(20)
    }
    await ask(page)
    await enough(60)
    await page.reload()
    await enough(60)
    await network.fail()
    await page.waitForTimeout(800)
    await network.recover()
    await page.waitForFunction(() => document.querySelector('#status').textContent === 'complete', null, { timeout: 60_000 })
    await shot(page, 'over')
    const finished = { text: await answer.textContent(), output: JSON.parse(await page.getByTestId('output').textContent()) }
    await ask(page)
    await page.waitForFunction(() => document.querySelector('#status').textContent === 'going')
    await enough(20)
    await held(async () => {
      await page.getByRole('button', { name: 'Stop' }).click()
      await page.waitForFunction(() => document.querySelector('#status').textContent === 'stopped')
    })
    return { ...finished, stopped: await answer.textContent(), ...(await counts()) }
  },

  /** The log goes away; the page is loaded again meanwhile, and asks one more question when it has gone once more. */
  async outage() {
    const page = await open('/')
    await ask(page)
    await grown(page, 60)
    await have('down')
    const seenAfter = statuses(page)
    await page.reload()
    await refused(page, seenAfter, 2)
    const disabled = await page.getByRole('button', { name: 'Ask' }).isDisabled()
    await have('up')
    await whole(page)
    await over(page)
    await shot(page, '1-over')
    const first = await seen(page)
    await have('down')
    seenAfter.length = 0
    await ask(page)
    await refused(page, seenAfter, 2)
    await have('up')
    await page.waitForFunction(() => document.querySelectorAll('.trip.final').length === 2, null, { timeout: 60_000 })
    await over(page)
    return { disabled, first, second: await seen(page) }
  },

  async plainOutage() {
    const page = await open('/plain')
    const answer = page.getByTestId('answer')
    const seenAfter = statuses(page)
    await have('down')
    await ask(page)
    await refused(page, seenAfter, 2)
    await have('up')
    while ((await answer.textContent()).length < 40) await page.waitForTimeout(20)
    await have('down')
    seenAfter.length = 0
    await page.reload()
    await refused(page, seenAfter, 2)
    await have('up')
    await page.waitForFunction(() => document.querySelector('#status').textContent === 'complete', null, { timeout: 60_000 })
    return { text: await answer.textContent(), ...(await counts()) }
  },

  /** Stop is pressed while the page does not know yet what it is that it has asked for. */
  async hasty() {
    await context.route('**/runs/', (route) => setTimeout(() => route.continue(), 700))
    const page = await open('/plain')
    await ask(page)
    await page.getByRole('button', { name: 'Stop' }).click()
    await page.waitForTimeout(5000) // the tool would have run by then
    return { status: await page.getByTestId('status').textContent(), ...(await counts()) }
  },
}

try {
  const told = await scenes[scene]()
  console.log(JSON.stringify({ ...told, problems }))
} finally {
  process.stdin.destroy()
  await browser.close()
  network.close()
}

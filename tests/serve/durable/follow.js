// Follows the stream at the address that is given with the protocol's own client, and prints what it was told.
import { stream } from '@durable-streams/client'

const [url, live] = process.argv.slice(2)
const response = await stream({ url, live, offset: '-1' })
const items = []
for await (const item of response.jsonStream()) items.push(item)
console.log(JSON.stringify({ items, closed: response.streamClosed, offset: response.offset }))

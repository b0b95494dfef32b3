import { getToolName, isToolUIPart } from 'ai'

import type { Message, Parts, Trip } from './server'
import { Timeline } from './Timeline'
import { TripCard } from './TripCard'

const OUTPUT = 'final_result'

/**
 * A message, part by part; the last text of one that goes on ends with a cursor.
 *
 * While it is written, tools and the answer come as data parts too, which tell more. What the history keeps is the parts
 * of the tools alone: they are shown where the others are missing.
 */
export function MessageView({ message, going }: { message: Message; going: boolean }) {
  const last = message.parts.findLastIndex((part) => part.type === 'text')
  const live = message.parts.some((part) => part.type.startsWith('data-'))
  const timeline = message.parts.find((part) => part.type === 'data-streaming.timeline')
  return (
    <article className={message.role} data-testid={message.role}>
      {message.parts.map((part, index) => {
        if (isToolUIPart(part)) {
          if (live) return null
          if (getToolName(part) === OUTPUT) return <TripCard key={index} trip={part.input as Partial<Trip>} final />
          return <ToolCall key={index} tool={getToolName(part)} state="returned" result={part.output} />
        }
        switch (part.type) {
          case 'text':
            return (
              <p key={index} className={going && index === last ? 'text going' : 'text'}>
                {part.text}
              </p>
            )
          case 'data-streaming.tool_call':
            return part.data.kind === 'output' ? null : <ToolCall key={part.id} {...part.data} />
          case 'data-looking':
            return part.data.page < part.data.pages && <Looking key={part.id} {...part.data} />
          case 'data-streaming.partial_output':
            return <TripCard key={part.id} trip={part.data.value} final={part.data.is_final} />
          default:
            return null
        }
      })}
      {timeline?.type === 'data-streaming.timeline' && <Timeline spans={timeline.data.spans} />}
    </article>
  )
}

function ToolCall({ tool, state, result }: Pick<Parts['streaming.tool_call'], 'tool' | 'state' | 'result'>) {
  return (
    <p className="tool" data-testid="tool">
      <b>{tool}</b> {state}
      {state === 'returned' && typeof result === 'string' && `: ${result}`}
    </p>
  )
}

function Looking({ page, pages }: Parts['looking']) {
  return (
    <p className="tool">
      <progress value={page} max={pages} /> page {page} of {pages}
    </p>
  )
}

import type { Parts } from './server'

/** What took how long: a bar for each stretch of the model, thinking, a tool, or waiting. */
export function Timeline({ spans }: Parts['streaming.timeline']) {
  const end = Math.max(...spans.map(([, , end]) => end), 0.001)
  return (
    <svg className="timeline" viewBox="0 0 100 4" preserveAspectRatio="none" role="img" data-testid="timeline">
      {spans.map(([activity, start, stop], index) => (
        <rect key={index} className={activity} x={(100 * start) / end} width={(100 * (stop - start)) / end} height="4">
          <title>{`${activity} ${(stop - start).toFixed(1)} s`}</title>
        </rect>
      ))}
    </svg>
  )
}

import type { Trip } from './server'

/** The answer as it fills in: what has not come is a place that waits. */
export function TripCard({ trip, final }: { trip: Partial<Trip>; final: boolean }) {
  return (
    <dl className={final ? 'trip final' : 'trip'} data-testid="trip">
      <Field name="title" value={trip.title} />
      <Field name="boat" value={trip.boat} />
      <Field name="price" value={trip.price?.toFixed(2)} />
      <Field name="stops" value={trip.stops?.join(' → ')} />
      <Field name="advice" value={trip.advice} />
    </dl>
  )
}

function Field({ name, value }: { name: string; value: string | undefined }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd className={value === undefined ? 'waiting' : undefined}>{value ?? ''}</dd>
    </div>
  )
}

import type { AnyEvent } from '@runledger/run';
import { decodeEvent } from './commit.ts';
import { conforms } from './conforms.ts';
import { Poison } from './ids.ts';

/** As `decodeEvent`, and Poison for a known type whose data is not as its message says. Unknown types pass. */
export function decodeEventStrict(line: string): AnyEvent {
  const event = decodeEvent(line);
  const faults = conforms(event.type, event.data);
  if (faults.length === 0) return event;
  throw new Poison('invalid_event', `${event.type} ${event.seq}: ${faults.join('; ')}`);
}

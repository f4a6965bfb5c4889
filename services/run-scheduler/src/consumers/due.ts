import { Controller, Inject } from '@nestjs/common';
import { DurableConsumer, type Delivery } from '@runledger/nest-jetstream';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import { ALL_DUE, parseDueSubject, Poison } from '@runledger/wire';
import { fire } from '../timers/fired-timers.ts';
import type { TimerKind } from '../timers/timer-queue.ts';

interface Due {
  kind: TimerKind;
  tenant_id: string;
  run_id: string;
  timer_id: string;
}

function decodeDue(subject: string): Due {
  const { kind, ...due } = parseDueSubject(subject);
  if (kind !== 'retry' && kind !== 'approval' && kind !== 'deadline')
    throw new Poison('unknown_timer', `there is no timer of kind ${kind}`);
  return { kind, ...due };
}

@Controller()
export class DueConsumer {
  constructor(@Inject(SERVICE_CONTEXT) private readonly context: ServiceContext) {}

  @DurableConsumer<Due>({
    durable: 'run-scheduler-due',
    stream: 'TIMERS',
    filter: ALL_DUE,
    decode: (message) => decodeDue(message.subject),
    concurrency: 64,
    ackWaitMs: 30_000,
    maxAckPending: 10_000,
  })
  handle({ data: { kind, timer_id, tenant_id, run_id } }: Delivery<Due>): Promise<void> {
    return fire(this.context.runLog, { tenant_id, run_id }, kind, timer_id);
  }
}

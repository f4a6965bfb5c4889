import { Controller, Inject } from '@nestjs/common';
import { DurableConsumer, type Delivery, type StoredMessage } from '@runledger/nest-jetstream';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import { ALL_DUE, parseDueSubject, Poison } from '@runledger/wire';
import { Admission } from '../admission/admission.ts';
import { fire } from '../timers/fired-timers.ts';
import { Schedules } from '../schedules/schedules.ts';
import type { ScheduleTimer, TimerKind } from '../timers/timer-queue.ts';

type Due =
  /** Somebody has seen that who waits and who has a slot does not agree with the run. */
  | { kind: 'admission'; tenant_id: string; run_id: string }
  | { kind: TimerKind; tenant_id: string; run_id: string; timer_id: string }
  | { kind: 'schedule'; tenant_id: string; schedule_id: string; timer: ScheduleTimer };

function decodeDue(message: StoredMessage): Due {
  const { kind, ...due } = parseDueSubject(message.subject);
  if (kind === 'schedule')
    return {
      kind,
      tenant_id: due.tenant_id,
      schedule_id: due.run_id,
      timer: decodeScheduleTimer(message.text()),
    };
  if (kind === 'admission') return { kind, tenant_id: due.tenant_id, run_id: due.run_id };
  if (kind !== 'retry' && kind !== 'approval' && kind !== 'deadline')
    throw new Poison('unknown_timer', `there is no timer of kind ${kind}`);
  return { kind, ...due };
}

function decodeScheduleTimer(text: string): ScheduleTimer {
  try {
    const timer = JSON.parse(text) as ScheduleTimer;
    if (Number.isFinite(Date.parse(timer.due_at)) && Number.isInteger(timer.revision)) return timer;
  } catch {
    // Refused below, as every other form.
  }
  throw new Poison('invalid_timer', 'a timer of a schedule holds due_at and revision');
}

@Controller()
export class DueConsumer {
  constructor(
    @Inject(SERVICE_CONTEXT) private readonly context: ServiceContext,
    @Inject(Schedules) private readonly schedules: Schedules,
    @Inject(Admission) private readonly admission: Admission,
  ) {}

  @DurableConsumer<Due>({
    durable: 'run-scheduler-due',
    stream: 'TIMERS',
    filter: ALL_DUE,
    decode: decodeDue,
    concurrency: 64,
    ackWaitMs: 30_000,
    maxAckPending: 10_000,
  })
  handle({ data }: Delivery<Due>): Promise<void> {
    if (data.kind === 'schedule') return this.schedules.fire(data, data.timer);
    if (data.kind === 'admission') return this.admission.settle(data);
    const { kind, timer_id, tenant_id, run_id } = data;
    return fire(this.context.runLog, { tenant_id, run_id }, kind, timer_id);
  }
}

import { Inject, Injectable } from '@nestjs/common';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import { Views } from '../runs/views.ts';

export interface ReadinessReport {
  status: 'ready' | 'not_ready';
  /** `ok`, or in a word what is wrong. */
  checks: Record<string, string>;
}

const ANSWER_WITHIN_MS = 2_000;

/** Whether what the gateway stands on answers. */
@Injectable()
export class Readiness {
  constructor(
    @Inject(SERVICE_CONTEXT) private readonly context: ServiceContext,
    @Inject(Views) private readonly views: Views,
  ) {}

  async report(): Promise<ReadinessReport> {
    const [broker, views] = await Promise.all([check(() => this.broker()), check(() => this.#views())]);
    const ready = broker === 'ok' && views === 'ok';
    return { status: ready ? 'ready' : 'not_ready', checks: { broker, views } };
  }

  /** Throws when the broker does not answer. */
  async broker(): Promise<void> {
    await this.context.broker.nc.rtt();
  }

  async #views(): Promise<void> {
    await (await this.views.open()).ping();
  }
}

async function check(ask: () => Promise<void>): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve('no answer'), ANSWER_WITHIN_MS);
  });
  const answer = ask().then(
    () => 'ok',
    () => 'unavailable',
  );
  const result = await Promise.race([answer, late]);
  clearTimeout(timer);
  return result;
}

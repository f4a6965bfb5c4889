/** Owns: what people ask for, how they repeat it, and the journal of what was answered to them. */
import { isEnded, type Actor, type Command, type Refusal, type Run } from '@runledger/run';
import type { RunAddress } from '@runledger/run-log';
import { randomScript } from '../agents/script.ts';
import type { Random } from '../random.ts';
import type { VirtualTime } from '../virtual-time.ts';
import type { World } from '../world.ts';
import type { Cell } from './cell.ts';
import type { Gateway, StartOrder } from './gateway.ts';

export interface AcknowledgedStart {
  intent: string;
  run_id: string;
}

export interface AcknowledgedCommand {
  run_id: string;
  command: Command;
}

const TENANT = 'acme';
const PATIENCE_MS = 10_000;
const LOOK_EVERY_MS = 2_000;

export class People {
  readonly starts: AcknowledgedStart[] = [];
  readonly commands: AcknowledgedCommand[] = [];
  /** Every run that somebody was told about, once. */
  readonly onStarted: ((address: RunAddress) => void)[] = [];
  #asking = 0;
  #calm = false;
  #nudges = 0;
  readonly #random: Random;
  readonly #time: VirtualTime;
  readonly #mischief: number;
  readonly #chatter: number;

  constructor(
    private readonly world: World,
    private readonly cell: Cell,
  ) {
    this.#random = world.random.fork();
    this.#time = world.time;
    this.#mischief = this.#random.pick([0, 0.03, 0.15]);
    this.#chatter = this.#random.pick([0, 0, 0.5]);
    const count = this.#random.pick([1, 1, 2, 3]);
    for (let number = 1; number <= count; number += 1)
      this.#time.after(this.#random.between(1, 15_000), () => void this.#start(String(number)));
    this.#look();
  }

  /** Nobody waits for an answer. */
  get isContent(): boolean {
    return this.#asking === 0;
  }

  /** From here on people only answer what runs ask them. */
  calmDown(): void {
    this.#calm = true;
  }

  async #start(intent: string): Promise<void> {
    const random = this.#random;
    const order: StartOrder = {
      user_id: random.pick(['ann', 'bob']),
      intent,
      idempotency_key: random.chance(0.8) ? `key-${intent}` : undefined,
      script: randomScript(random),
      limits: {
        max_turns: null,
        max_cost_usd: random.chance(0.3) ? String(random.between(1, 3)) : null,
        timeout_s: random.chance(0.1) ? random.between(20, 200) : null,
        max_attempts: random.between(1, 4),
      },
    };
    this.#asking += 1;
    for (;;) {
      const answer = await this.#ask((gateway) => gateway.start(TENANT, order));
      if (answer) {
        this.starts.push({ intent, run_id: answer.value.run_id });
        for (const listener of this.onStarted) listener(answer.value);
        if (random.chance(this.#chatter)) void this.#chat(answer.value);
        // Whoever has a key may well ask again.
        if (order.idempotency_key === undefined || !random.chance(0.3)) break;
      } else if (order.idempotency_key === undefined) break;
      await this.#time.wait(random.between(100, 3_000));
    }
    this.#asking -= 1;
  }

  /** Commands beside a busy holder: each wins or loses a race against it. */
  async #chat(address: RunAddress): Promise<void> {
    for (let left = this.#random.between(5, 25); left > 0 && !this.#calm; left -= 1) {
      await this.#time.wait(this.#random.between(1, 400));
      void this.#command(address, this.#nudge());
    }
  }

  /** Undefined: there was no answer, and nobody knows what became of it. */
  #ask<T>(what: (gateway: Gateway) => Promise<T>): Promise<{ value: T } | undefined> {
    const { faults } = this.world;
    const gateway = this.cell.someGateway();
    return new Promise((resolve) => {
      const fail = (): void => resolve(undefined);
      this.#time.after(PATIENCE_MS, fail);
      if (!gateway) return;
      const answer = (settle: () => void): void => {
        if (!faults.strikes('lost_answer'))
          gateway.process.run(() => this.#time.after(faults.travelMs(), settle));
      };
      gateway.process.onDeath(() => this.#time.after(faults.travelMs(), fail));
      this.#time.after(faults.travelMs(), () =>
        gateway.process.run(() => {
          what(gateway).then(
            (value) => answer(() => resolve({ value })),
            () => answer(fail),
          );
        }),
      );
    });
  }

  /** People look now and then, and do what they feel like; once it is calm they do what runs wait for. */
  #look(): void {
    this.#time.after(this.#random.between(LOOK_EVERY_MS / 2, LOOK_EVERY_MS), () => {
      this.#lookAtAll();
      this.#look();
    });
  }

  #lookAtAll(): void {
    for (const run of this.world.broker.states.values()) {
      if (isEnded(run)) continue;
      const command = this.#random.chance(this.#calm ? 1 : 0.15) ? this.#answerTo(run) : this.#whim();
      if (command) void this.#command({ tenant_id: TENANT, run_id: run.run_id }, command);
    }
  }

  async #command(address: RunAddress, command: Command): Promise<void> {
    this.#asking += 1;
    const answer = await this.#ask<Refusal | undefined>((gateway) => gateway.command(address, command));
    if (answer && !answer.value) this.commands.push({ run_id: address.run_id, command });
    this.#asking -= 1;
  }

  #answerTo(run: Run): Command | undefined {
    const random = this.#random;
    const by = this.#someone();
    const approval = run.approvals.find(({ state }) => state === 'open');
    const unknown = run.open_calls.find(({ state }) => state === 'unknown');
    if (run.pause_requested) return { type: 'ResumeRun', by };
    if (run.waiting_on === 'approval' && approval)
      return {
        type: 'DecideApproval',
        approval_id: approval.approval_id,
        decision: random.pick(['approve', 'deny']),
        by,
        channel: 'api',
        reason: '',
        scope: 'once',
      };
    if (run.waiting_on === 'unknown_outcome' && unknown)
      return {
        type: 'ResolveOutcome',
        call_id: unknown.call_id,
        by,
        choice: random.pick(['retry', 'mark_done', 'skip']),
        result: 'said so',
      };
    if (run.waiting_on === 'budget') {
      const max_cost_usd = String(Number(run.limits.max_cost_usd ?? 0) + random.between(1, 5));
      return { type: 'RaiseLimits', by, limits: { max_cost_usd } };
    }
    return undefined;
  }

  #whim(): Command | undefined {
    const random = this.#random;
    if (this.#calm || !random.chance(this.#mischief)) return undefined;
    const by = this.#someone();
    const drawn = random.next();
    if (drawn < 0.4)
      return {
        type: 'RequestStop',
        by,
        mode: random.pick(['cooperative', 'cooperative', 'kill']),
        reason: 'whim',
      };
    if (drawn < 0.6) return { type: 'PauseRun', by, reason: 'whim' };
    if (drawn < 0.7)
      return { type: 'RaiseLimits', by, limits: { max_cost_usd: String(random.between(1, 9)) } };
    return this.#nudge();
  }

  #nudge(): Command {
    return { type: 'SendNudge', nudge_id: `n${(this.#nudges += 1)}`, by: this.#someone(), message: 'and?' };
  }

  #someone(): Actor {
    return { user_id: this.#random.pick(['ann', 'bob']), channel: 'api' };
  }
}

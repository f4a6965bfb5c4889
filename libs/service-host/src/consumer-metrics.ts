import type { ConsumerObserver, ConsumerState } from '@runledger/nest-jetstream';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** What consumers do, as `runledger_consumer_*` per durable. `states` is asked at each scrape. */
export class ConsumerMetrics {
  states: () => ConsumerState[] = () => [];
  private readonly deliveries: Counter<'durable' | 'outcome'>;
  private readonly seconds: Histogram<'durable'>;
  private readonly letters: Counter<'durable'>;

  constructor(private readonly registry: Registry) {
    const registers = [registry];
    this.deliveries = new Counter({
      name: 'runledger_consumer_deliveries_total',
      help: 'Deliveries by outcome: done, kept, fault, dead, returned',
      labelNames: ['durable', 'outcome'],
      registers,
    });
    this.seconds = new Histogram({
      name: 'runledger_consumer_handling_seconds',
      help: 'From delivery to settlement',
      labelNames: ['durable'],
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60, 600],
      registers,
    });
    this.letters = new Counter({
      name: 'runledger_dead_letters_total',
      help: 'Messages put on DEAD',
      labelNames: ['durable'],
      registers,
    });
    this.gauge('in_flight', 'Deliveries held by this process', (state) => state.inFlight);
    this.gauge('pending', 'Messages still to come, as of the latest delivery', (state) => state.pending);
    this.gauge('consuming', '1 when it pulls, 0 when it waits for its stream or the broker', (state) =>
      state.phase === 'consuming' ? 1 : 0,
    );
  }

  readonly observer: ConsumerObserver = {
    onSettled: (durable, outcome, ms) => {
      this.deliveries.inc({ durable, outcome });
      this.seconds.observe({ durable }, ms / 1000);
    },
  };

  buried(durable: string): void {
    this.letters.inc({ durable });
  }

  private gauge(name: string, help: string, value: (state: ConsumerState) => number): void {
    const states = (): ConsumerState[] => this.states();
    new Gauge({
      name: `runledger_consumer_${name}`,
      help,
      labelNames: ['durable'],
      registers: [this.registry],
      collect() {
        for (const state of states()) this.set({ durable: state.durable }, value(state));
      },
    });
  }
}

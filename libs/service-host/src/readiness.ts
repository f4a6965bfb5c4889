import { setTimeout as pause } from 'node:timers/promises';

const CHECK_MS = 2_000;

export interface CheckResult {
  ok: boolean;
  detail: string;
}

/** Throws when not ready; what it returns is shown as detail. */
export type Check = () => Promise<string | void> | string | void;

/** The checks behind `/readyz`. They are added as the service comes up; each has 2 s. */
export class Readiness {
  private readonly checks = new Map<string, Check>();

  /** Adds or replaces a check. */
  set(name: string, check: Check): void {
    this.checks.set(name, check);
  }

  delete(name: string): void {
    this.checks.delete(name);
  }

  async check(): Promise<{ ready: boolean; checks: Record<string, CheckResult> }> {
    const results = await Promise.all(
      [...this.checks].map(async ([name, check]) => [name, await run(check)] as const),
    );
    return { ready: results.every(([, result]) => result.ok), checks: Object.fromEntries(results) };
  }
}

async function run(check: Check): Promise<CheckResult> {
  const done = new AbortController();
  const late = pause(CHECK_MS, undefined, { signal: done.signal }).then(() => {
    throw new Error(`no answer within ${CHECK_MS} ms`);
  });
  try {
    // A check that throws in its synchronous part fails like one that rejects.
    const detail = await Promise.race([Promise.resolve().then(check), late]);
    return { ok: true, detail: detail ?? 'ok' };
  } catch (error) {
    return { ok: false, detail: error instanceof Error ? error.message : String(error) };
  } finally {
    done.abort();
    late.catch(() => undefined);
  }
}

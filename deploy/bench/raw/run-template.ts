import type { Broker } from '@runledger/nest-jetstream';
import { directPage } from '@runledger/run-log';
import { runSubject } from '@runledger/wire';

/** The messages of one real run, so that the raw limit writes the same number of the same size. */
export interface RunTemplate {
  run_id: string;
  commits: { headers: Record<string, string>; payload: string }[];
}

export async function templateOf(broker: Broker, tenantId: string, runId: string): Promise<RunTemplate> {
  const filter = runSubject(tenantId, runId);
  const page = await directPage(broker.nc, 'RUNS', { seq: 1, next_by_subj: filter }, 5_000);
  return {
    run_id: runId,
    commits: page.map(({ headers, text }) => ({
      headers: Object.fromEntries(
        headers
          .keys()
          .filter((name) => name.startsWith('Run-'))
          .map((name) => [name, headers.get(name)]),
      ),
      payload: text,
    })),
  };
}

/** The bytes of a template for another run of the same id length. */
export function payloadFor(template: RunTemplate, index: number, runId: string): string {
  return template.commits[index]?.payload.replaceAll(template.run_id, runId) ?? '';
}

import { STATUSES } from '@runledger/run';
import { isId } from '@runledger/wire';
import { z } from 'zod';
import { AgentId } from '../../agents/agent-definition.ts';
import { RunId, Whole } from '../run-path.ts';

const statuses = new Set<string>(STATUSES);

/** `status=queued,running` */
const StatusList = z
  .string()
  .refine(
    (text) => text.split(',').every((status) => statuses.has(status)),
    `must be a comma list of ${STATUSES.join(', ')}`,
  )
  .transform((text) => text.split(','));

/** `label=key:value` */
const Label = z
  .string()
  .regex(/^[^:]{1,63}:.{0,255}$/s, 'must be key:value')
  .transform((text) => ({ key: text.slice(0, text.indexOf(':')), value: text.slice(text.indexOf(':') + 1) }));

/** `min_seq=<run_id>:<seq>` */
const MinSeq = z
  .string()
  .refine(
    (text) => /^[^:]+:\d{1,15}$/.test(text) && isId('run_id', text.split(':')[0]),
    'must be <run_id>:<seq>',
  )
  .transform((text) => ({ run_id: text.split(':')[0] ?? '', seq: Number(text.split(':')[1]) }));

export const ListRunsQuery = z.strictObject({
  agent_id: AgentId.optional(),
  status: StatusList.optional(),
  parent_run_id: RunId.optional(),
  root_run_id: RunId.optional(),
  label: Label.optional(),
  q: z.string().min(1).max(200).optional(),
  limit: Whole(1, 100).optional(),
  cursor: z.string().min(1).max(500).optional(),
  min_seq: MinSeq.optional(),
});
export type ListRunsQuery = z.infer<typeof ListRunsQuery>;

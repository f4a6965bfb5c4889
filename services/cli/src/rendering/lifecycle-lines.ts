import { valueText, type Fields } from './fields.ts';
import { INDENT, type LineMaker } from './line-maker.ts';

const requested: LineMaker = ({ stamp, data, paint }) => [
  `${stamp} ${paint.bold('Requested')} ${data.text('agent_id')} by ${data.text('user_id')} (${data.text('channel')})`,
];

const started: LineMaker = ({ stamp, data, paint }) => {
  const again = data.number('attempt') > 1 ? `, attempt ${data.number('attempt')}` : '';
  return [`${stamp} ${paint.bold('Started')} on ${data.text('executor')}${again}`];
};

const succeeded: LineMaker = ({ stamp, data, paint }) => [
  `${stamp} ${paint.green('✔')} success: ${data.value('result', 2_000)}`,
  ...warnings(data).map((warning) => `${INDENT}${paint.yellow('↳')} schema: ${warning}`),
];

const failed: LineMaker = ({ stamp, data, paint }) => {
  const error = data.at('error');
  const title = error.has('title') ? error.text('title') : error.text('code');
  const remedy = error.has('remedy') ? [`${INDENT}${paint.yellow('↳')} ${error.text('remedy', 500)}`] : [];
  return [`${stamp} ${paint.red(`✖ ${title}: ${error.text('detail', 500)}`)}`, ...remedy];
};

const stopped: LineMaker = ({ stamp, data, paint }) => [
  `${stamp} ${paint.gray('■')} stopped by ${whoIs(data.at('by'))}${because(data)}`,
];

const stopRequested: LineMaker = ({ stamp, data, paint }) => [
  `${stamp} ${paint.gray('■')} Stop requested by ${whoIs(data.at('by'))} (${data.text('mode')})${because(data)}`,
];

const stopObserved: LineMaker = ({ stamp, data, paint }) => {
  const finishing = data.list('in_flight').map((call) => call.text('name'));
  const rest = finishing.length > 0 ? `, finishing ${finishing.join(', ')}` : '';
  return [
    `${stamp} ${paint.gray('■')} Stop seen at ${data.text('boundary')} after ${data.number('latency_ms')} ms${rest}`,
  ];
};

const parked: LineMaker = ({ stamp, data, paint }) => [
  `${stamp} ${paint.yellow('⏸')} Waiting for ${reasonText(data)}${data.has('detail') ? `: ${data.text('detail')}` : ''}`,
];

const approvalRequested: LineMaker = ({ stamp, data, paint }) => {
  const rules = data.raw('policy_ids');
  const facts = [
    `severity ${data.text('severity')}`,
    `approval ${data.text('approval_id')}`,
    `until ${data.text('due_at')}`,
    ...(Array.isArray(rules) && rules.length > 0
      ? [`rules ${rules.map((rule) => valueText(rule)).join(', ')}`]
      : []),
  ];
  return [
    `${stamp} ${paint.yellow('★')} approval_requested: ${data.text('name')}: ${data.value('args')}`,
    `${INDENT}${paint.yellow('↳')} ${data.text('reason')} (${facts.join(', ')})`,
  ];
};

const approvalDecided: LineMaker = ({ stamp, data, paint }) => [
  `${stamp} ${paint.yellow('★')} approval_decided: ${data.text('decision')} by ${whoIs(data.at('by'))}${because(data)}`,
];

const retryScheduled: LineMaker = ({ stamp, data, paint }) => {
  const error = data.at('error');
  const due = data.at('timer').text('due_at');
  return [
    `${stamp} ${paint.red(`✖ ${error.text('code')}: ${error.text('detail', 500)}`)}`,
    `${INDENT}${paint.yellow('↳')} attempt ${data.number('attempt')} at ${due}`,
  ];
};

const outcomeUnknown: LineMaker = ({ stamp, data, paint, names }) => {
  names.set(String(data.raw('call_id')), data.text('name'));
  return [
    `${stamp} ${paint.red(`⛔ OUTCOME UNKNOWN [${data.text('call_id')}]`)}: ${data.text('name')}: ${data.value('args')}`,
    `${INDENT}${paint.yellow('↳')} it may have happened; say retry, mark_done or skip`,
  ];
};

/** What happens to a run: its beginning, its waits, what people ask of it, its end. */
export const lifecycle: ReadonlyMap<string, LineMaker> = new Map(
  Object.entries<LineMaker>({
    'run.requested': requested,
    'run.started': started,
    'run.parked': parked,
    'run.unparked': ({ stamp, data, paint }) => [
      `${stamp} ${paint.yellow('⏵')} Going on after ${reasonText(data)}`,
    ],
    'attempt.lost': ({ stamp, data, paint }) => [
      `${stamp} ${paint.yellow('↻')} Attempt ${data.number('attempt')} lost (${data.text('reason')})`,
    ],
    'run.succeeded': succeeded,
    'run.failed': failed,
    'run.stopped': stopped,
    'stop.requested': stopRequested,
    'stop.observed': stopObserved,
    'retry.scheduled': retryScheduled,
    'outcome.unknown': outcomeUnknown,
    'outcome.resolved': ({ stamp, data, paint, names }) => [
      `${stamp} ${paint.yellow('★')} outcome_resolved: ${names.get(String(data.raw('call_id'))) ?? data.text('call_id')}: ${data.text('choice')}`,
    ],
    'approval.requested': approvalRequested,
    'approval.decided': approvalDecided,
    'approval.expired': ({ stamp, data, paint }) => [
      `${stamp} ${paint.yellow('★')} approval_expired: ${data.text('approval_id')}`,
    ],
    'nudge.received': ({ stamp, data, paint }) => [
      `${stamp} ${paint.yellow('★')} nudge_received: ${data.text('message', 500)} (${whoIs(data.at('by'))})`,
    ],
    'nudge.acknowledged': ({ stamp, data, paint }) => [
      `${stamp} ${paint.yellow('★')} nudge_acknowledged: ${data.text('nudge_id')} in turn ${data.number('turn')}`,
    ],
    'limit.reached': ({ stamp, data, paint }) => [
      `${stamp} ${paint.red(`⛔ LIMIT (${data.text('limit')})`)}: ${data.text('used')} of ${data.text('value')}`,
    ],
    'limits.raised': ({ stamp, data, paint }) => [
      `${stamp} ${paint.yellow('★')} limits_raised by ${whoIs(data.at('by'))}: ${data.value('limits')}`,
    ],
    'pause.requested': ({ stamp, data, paint }) => [
      `${stamp} ${paint.yellow('⏸')} Pause requested by ${whoIs(data.at('by'))}${because(data)}`,
    ],
    'resume.requested': ({ stamp, data, paint }) => [
      `${stamp} ${paint.yellow('⏵')} Resumed by ${whoIs(data.at('by'))}`,
    ],
  }),
);

const because = (data: Fields): string => (data.has('reason') ? `: ${data.text('reason', 500)}` : '');
const reasonText = (data: Fields): string => data.text('reason').replaceAll('_', ' ');
/** A service has no user id. */
const whoIs = (by: Fields): string => (by.has('user_id') ? by.text('user_id') : 'the system');
const warnings = (data: Fields): string[] => {
  const list = data.raw('schema_warnings');
  return Array.isArray(list) ? list.map((warning) => valueText(warning)) : [];
};

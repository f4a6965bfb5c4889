import { Fields } from './fields.ts';
import { harmlessLines } from './harmless.ts';
import { INDENT, type LineContext, type LineMaker } from './line-maker.ts';

const LONGEST_TEXT = 4_000;

const turnCompleted: LineMaker = ({ stamp, data, paint }) => {
  const message = messageOf(data.at('message'));
  const calls = message.toolCalls === 1 ? '1 tool call' : `${message.toolCalls} tool calls`;
  return [
    `${stamp} ${paint.bold(`Turn #${data.number('turn')}`)} (${data.text('model')}, ${calls})`,
    ...labelled('Thinking: ', message.thinking).map(paint.dim),
    ...labelled('Text: ', message.text),
    ...(data.has('usage') ? costLines(stamp, data.at('usage')) : []),
  ];
};

const toolCalled: LineMaker = ({ stamp, data, paint, names }) => {
  const name = data.text('name');
  names.set(String(data.raw('call_id')), name);
  return [`${stamp}   ${paint.cyan('▶')} ${name}: ${data.value('args')}`];
};

const toolReturned: LineMaker = ({ stamp, data, paint, names }) => {
  const name = names.get(String(data.raw('call_id'))) ?? data.text('call_id');
  return [`${stamp}   ${paint.cyan('◀')} ${name}${toolMark(data, paint)}: ${data.value('result')}`];
};

function toolMark(data: Fields, paint: LineContext['paint']): string {
  if (data.raw('is_error') === true) return paint.red(' [ERROR]');
  const outcome = data.text('outcome');
  return ['done', '—'].includes(outcome) ? '' : paint.yellow(` [${outcome.toUpperCase()}]`);
}

const logWritten: LineMaker = ({ stamp, data, paint }) => {
  const source = data.text('source');
  const from = source === 'agent' || source === '—' ? '' : `${source}: `;
  const text = `${from}${data.text('message', 500)}`;
  const level = data.text('level');
  if (level === 'error') return [`${stamp} ${paint.red(`✖ ${text}`)}`];
  if (level === 'warn') return [`${stamp} ${paint.yellow(`! ${text}`)}`];
  return [`${stamp} ${paint.dim('·')} ${level === 'debug' ? paint.dim(text) : text}`];
};

const stepCompleted: LineMaker = ({ stamp, data, paint }) => {
  const mark = data.raw('is_error') === true ? paint.red(' [ERROR]') : '';
  return [`${stamp}   ● ${data.text('kind')} ${data.text('name')}${mark} (${data.number('duration_ms')} ms)`];
};

const childSpawned: LineMaker = ({ stamp, data, paint, names }) => {
  const name = `agent ${data.text('agent_id')}`;
  names.set(String(data.raw('child_run_id')), name);
  return [`${stamp}   ${paint.cyan('▶')} ${name} (${data.text('child_run_id')}): ${data.value('input')}`];
};

const childEnded: LineMaker = ({ stamp, data, paint, names }) => {
  const name = names.get(String(data.raw('child_run_id'))) ?? `agent run ${data.text('child_run_id')}`;
  const status = data.text('status');
  if (status === 'success') return [`${stamp}   ${paint.cyan('◀')} ${name}: ${data.value('result')}`];
  const mark = status === 'error' ? paint.red(' [ERROR]') : ` [${status.toUpperCase()}]`;
  return [`${stamp}   ${paint.cyan('◀')} ${name}${mark}: ${data.at('error').text('title')}`];
};

/** What an agent does while it runs. */
export const progress: ReadonlyMap<string, LineMaker> = new Map(
  Object.entries<LineMaker>({
    'turn.started': ({ stamp, data, paint }) => [
      `${stamp} ${paint.dim(`Turn #${data.number('turn')} started (${data.text('model')})`)}`,
    ],
    'turn.completed': turnCompleted,
    // The turn's end brings the whole text; its pieces would only break it into lines.
    'text.appended': () => [],
    'tool.called': toolCalled,
    'tool.returned': toolReturned,
    'step.completed': stepCompleted,
    'milestone.reached': ({ stamp, data, paint }) => [
      `${stamp} ${paint.yellow('★')} ${data.text('name')}${data.has('detail') ? `: ${data.text('detail', 500)}` : ''}`,
    ],
    'log.written': logWritten,
    'cost.added': ({ stamp, data }) => costLines(stamp, data.at('usage')),
    'data.accessed': ({ stamp, data }) => [
      `${stamp}   ◇ data ${data.text('op')} ${data.text('namespace')}${data.has('key') ? `/${data.text('key')}` : ''}`,
    ],
    'child.spawned': childSpawned,
    'child.ended': childEnded,
    // Bookkeeping of the log itself.
    'run.checkpointed': () => [],
  }),
);

function costLines(stamp: string, usage: Fields): string[] {
  const tokens = `${usage.number('input_tokens')} in / ${usage.number('output_tokens')} out tokens`;
  return [`${stamp} Cost: $${usage.number('cost_usd').toFixed(4)} (${tokens})`];
}

/** `Label: first line`, further lines under the first character of the text. */
function labelled(label: string, text: string): string[] {
  const trimmed = text.trim();
  if (trimmed === '') return [];
  const cut = trimmed.length > LONGEST_TEXT ? `${trimmed.slice(0, LONGEST_TEXT)}…` : trimmed;
  return harmlessLines(cut).map((line, i) => `${INDENT}${i === 0 ? label : ' '.repeat(label.length)}${line}`);
}

/** An assistant message: its content is a text, or a list of text, reasoning and tool-call parts. */
function messageOf(message: Fields): { text: string; thinking: string; toolCalls: number } {
  const content = message.raw('content');
  if (typeof content === 'string')
    return { text: content, thinking: '', toolCalls: message.list('tool_calls').length };
  const parts = message.list('content');
  const textOf = (type: string): string =>
    parts
      .filter((part) => part.raw('type') === type)
      .map((part) => part.raw('text'))
      .filter((text) => typeof text === 'string')
      .join('');
  const toolCalls = parts.filter((part) => part.raw('type') === 'tool-call').length;
  return { text: textOf('text'), thinking: textOf('reasoning'), toolCalls };
}

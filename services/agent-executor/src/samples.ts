import { fileURLToPath } from 'node:url';
import type { AgentDefinition } from '@runledger/harness';

const ECHO_SCRIPT = fileURLToPath(new URL('../samples/echo-process.mjs', import.meta.url));

const HELLO_CODE = `export default async function hello(input: { name?: string }, tools: any) {
  const name = input.name ?? 'world';
  console.log('greeting', name);
  tools.milestone('started', name);
  const startedAt = await tools.now();
  const { text } = await tools.callLlm({ prompt: \`Hello, \${name}!\` });
  const greetings = await tools.step('count the letters', { name }, () => ({ letters: name.length }));
  tools.milestone('done');
  return { reply: text, letters: greetings.letters, started_at: new Date(startedAt).toISOString() };
}
`;

const nameSchema = {
  type: 'object',
  properties: { name: { type: 'string', description: 'Who is greeted.', maxLength: 100 } },
  additionalProperties: false,
};

/** Agents that every fresh installation has: they need no key and no network. */
export const SAMPLE_AGENTS: AgentDefinition[] = [
  {
    agent_id: 'hello',
    name: 'Hello',
    description: 'A model with two tools that greets you. It uses the built-in offline model.',
    kind: 'llm',
    instructions: 'Greet the user by name. Look at the clock first.',
    model: 'offline/hello',
    tools: [
      { name: 'clock', kind: 'builtin' },
      { name: 'greet', kind: 'builtin' },
    ],
    input_schema: nameSchema,
    limits: { max_turns: 10, timeout_s: 120 },
  },
  {
    agent_id: 'hello-code',
    name: 'Hello, code',
    description: 'A TypeScript module that calls a model, records a step and reports milestones.',
    kind: 'code',
    model: 'offline/echo',
    code: HELLO_CODE,
    input_schema: nameSchema,
    output_schema: {
      type: 'object',
      properties: { reply: { type: 'string' }, letters: { type: 'integer' }, started_at: { type: 'string' } },
      required: ['reply', 'letters', 'started_at'],
    },
    limits: { timeout_s: 120 },
  },
  {
    agent_id: 'ticker',
    name: 'Ticker',
    description: 'Reports a milestone every so often: something to watch, to leave and to come back to.',
    kind: 'builtin',
    builtin: 'ticker',
    input_schema: {
      type: 'object',
      properties: {
        count: { type: 'integer', minimum: 1, maximum: 100_000, default: 10, description: 'How many ticks.' },
        every_ms: {
          type: 'integer',
          minimum: 0,
          maximum: 3_600_000,
          default: 1_000,
          description: 'Milliseconds between two ticks.',
        },
      },
      additionalProperties: false,
    },
    output_schema: { type: 'object', properties: { ticks: { type: 'integer' } }, required: ['ticks'] },
  },
  {
    agent_id: 'burst',
    name: 'Burst',
    description: 'Writes log lines without a pause, to see how fast events arrive.',
    kind: 'builtin',
    builtin: 'burst',
    input_schema: {
      type: 'object',
      properties: {
        count: {
          type: 'integer',
          minimum: 1,
          maximum: 1_000_000,
          default: 1_000,
          description: 'How many lines.',
        },
        bytes: {
          type: 'integer',
          minimum: 0,
          maximum: 32_768,
          default: 100,
          description: 'Characters per line.',
        },
      },
      additionalProperties: false,
    },
    output_schema: { type: 'object', properties: { count: { type: 'integer' } }, required: ['count'] },
  },
  {
    agent_id: 'echo-process',
    name: 'Echo, process',
    description: 'A program of 30 lines that speaks the harness protocol and gives its input back.',
    kind: 'process',
    command: ['node', ECHO_SCRIPT],
    limits: { timeout_s: 60 },
  },
];

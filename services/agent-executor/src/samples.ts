import { fileURLToPath } from 'node:url';
import type { AgentDefinition } from '@runledger/harness';

const ECHO_SCRIPT = fileURLToPath(new URL('../samples/echo-process.mjs', import.meta.url));

const HELLO_CODE = `export default async function hello(input: { message?: string }, tools: any) {
  const message = input.message ?? 'Hello!';
  console.log('got a message of', message.length, 'characters');
  tools.milestone('asking', 'the model is called twice');
  const first = await tools.callLlm(message);
  const { words } = await tools.step('count words', { text: first.text }, () => ({ words: first.text.split(/\\s+/).length }));
  const second = await tools.callLlm({ prompt: first.text + ' That was ' + words + (words === 1 ? ' word.' : ' words.') });
  tools.milestone('answered');
  return { reply: second.text };
}
`;

const CARELESS_CODE = `export default async function careless(input: { tool?: 'idempotent' | 'not'; ms?: number }, tools: any) {
  const name = input.tool === 'idempotent' ? 'slow_effect_once' : 'slow_effect';
  tools.milestone('calling', name);
  const result = await tools.callTool(name, { ms: input.ms ?? 5000 });
  tools.milestone('called', name);
  return result;
}
`;

const messageSchema = {
  type: 'object',
  properties: { message: { type: 'string', description: 'What you want to say.', maxLength: 10_000 } },
  additionalProperties: false,
};
const replySchema = { type: 'object', properties: { reply: { type: 'string' } }, required: ['reply'] };

/** Agents that every fresh installation has: they need no key and no network. */
export const SAMPLE_AGENTS: AgentDefinition[] = [
  {
    agent_id: 'hello',
    name: 'Hello',
    description: 'A model that looks at the clock and answers you. It is built in and works offline.',
    kind: 'llm',
    instructions: 'Look at the clock, then answer the user in one sentence.',
    model: 'offline/hello',
    tools: [{ name: 'clock', kind: 'builtin' }],
    input_schema: messageSchema,
    limits: { max_turns: 10, timeout_s: 120 },
  },
  {
    agent_id: 'hello-code',
    name: 'Hello, code',
    description: 'A TypeScript module that calls the model twice, records a step and reports milestones.',
    kind: 'code',
    model: 'offline/echo',
    code: HELLO_CODE,
    input_schema: messageSchema,
    output_schema: replySchema,
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
    agent_id: 'tree',
    name: 'Tree',
    description: 'Calls itself as child runs, level below level, and ticks while they run.',
    kind: 'builtin',
    builtin: 'tree',
    callable_agents: ['tree'],
    input_schema: {
      type: 'object',
      properties: {
        depth: { type: 'integer', minimum: 0, maximum: 8, default: 1, description: 'Levels below the root.' },
        width: {
          description: 'Children of each run: one number, or one for each level.',
          anyOf: [
            { type: 'integer', minimum: 1, maximum: 100 },
            { type: 'array', items: { type: 'integer', minimum: 1, maximum: 100 }, minItems: 1, maxItems: 8 },
          ],
          default: 2,
        },
        every_ms: {
          type: 'integer',
          minimum: 0,
          maximum: 3_600_000,
          default: 200,
          description: 'Milliseconds between two ticks.',
        },
        count: {
          type: 'integer',
          minimum: 0,
          maximum: 10_000,
          default: 3,
          description: 'Ticks of each run.',
        },
      },
      additionalProperties: false,
    },
    output_schema: {
      type: 'object',
      properties: { runs: { type: 'integer' }, ticks: { type: 'integer' } },
      required: ['runs', 'ticks'],
    },
  },
  {
    agent_id: 'spender',
    name: 'Spender',
    description:
      'A model whose turns cost what you say: something to try limits and budgets with. Works offline.',
    kind: 'llm',
    model: 'offline/spender',
    tools: [{ name: 'clock', kind: 'builtin' }],
    input_schema: {
      type: 'object',
      properties: {
        turns: { type: 'integer', minimum: 1, maximum: 200, default: 3, description: 'How many turns.' },
        cost_usd_per_turn: {
          type: 'number',
          minimum: 0,
          maximum: 1_000,
          default: 0,
          description: 'US dollars that each turn counts as.',
        },
      },
      additionalProperties: false,
    },
    output_schema: replySchema,
  },
  {
    agent_id: 'careless',
    name: 'Careless',
    description: 'One slow tool call: kill the executor in it and see what becomes of the call.',
    kind: 'code',
    code: CARELESS_CODE,
    tools: [
      { name: 'slow_effect', kind: 'builtin' },
      { name: 'slow_effect_once', kind: 'builtin' },
    ],
    input_schema: {
      type: 'object',
      properties: {
        tool: {
          enum: ['idempotent', 'not'],
          default: 'not',
          description: 'Whether the tool may be called again.',
        },
        ms: {
          type: 'integer',
          minimum: 0,
          maximum: 60_000,
          default: 5_000,
          description: 'How long the call takes.',
        },
      },
      additionalProperties: false,
    },
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

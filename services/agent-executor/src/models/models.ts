import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import type { LanguageModelV4 } from '@ai-sdk/provider';
import {
  AgentFailed,
  type AgentDefinition,
  type ModelAnswer,
  type ModelCall,
  type ModelUsage,
} from '@runledger/harness';
import { generateText, type LanguageModelUsage, type ModelMessage } from 'ai';
import { modelFetch, type ModelLimits } from './model-fetch.ts';
import { OfflineModel } from './offline-model.ts';
import { providerFailure } from './provider-errors.ts';

const OPENAI_URL = 'https://api.openai.com/v1';

export interface ModelSettings {
  modelBaseUrl?: string;
  modelApiKey?: string;
  modelTimeoutS?: number;
  modelSilenceS?: number;
  modelReplyMib?: number;
}

export interface ModelScope {
  agent: AgentDefinition;
  env: Record<string, string>;
  /** Aborted by a stop of any mode: no other request is made. */
  stopping: AbortSignal;
  signal: AbortSignal;
}

/** Finds models by `provider/model`: the built-in offline one, and any OpenAI-compatible endpoint. */
export class Models {
  constructor(private readonly settings: ModelSettings) {}

  resolve(name: string, { env, stopping }: Pick<ModelScope, 'env' | 'stopping'>): LanguageModelV4 {
    const slash = name.indexOf('/');
    const provider = name.slice(0, Math.max(slash, 0));
    const model = name.slice(slash + 1);
    if (slash < 1 || model.length === 0) throw unknownModel(name, 'a model is named provider/model');
    if (provider === 'offline') {
      if (OfflineModel.has(model)) return new OfflineModel(model);
      throw unknownModel(name, `there is no offline script "${model}"`);
    }
    const { url, key } = this.#endpoint(env);
    if (!url)
      throw new AgentFailed({
        code: 'provider_not_configured',
        category: 'provider',
        title: 'No endpoint is configured for the model',
        detail: `"${name}" needs an OpenAI-compatible endpoint`,
        remedy:
          'Set RUNLEDGER_MODEL_BASE_URL and RUNLEDGER_MODEL_API_KEY, or give the agent OPENAI_BASE_URL and OPENAI_API_KEY; offline/hello needs neither.',
        retryable: false,
      });
    return createOpenAICompatible({
      name: provider,
      baseURL: url,
      includeUsage: true,
      fetch: modelFetch(name, this.#limits, stopping),
      ...(key ? { apiKey: key } : {}),
    })(model);
  }

  /** One call, whole. Rejects with AgentFailed of category `provider`, or as the signal says. */
  async call(call: ModelCall, scope: ModelScope): Promise<ModelAnswer> {
    const { agent, signal } = scope;
    const name = call.model ?? agent.model ?? '';
    try {
      const answer = await generateText({
        model: this.resolve(name, scope),
        messages: call.messages as unknown as ModelMessage[],
        allowSystemInMessages: true,
        maxRetries: 0,
        abortSignal: signal,
        ...callSettings(agent, name, call.settings),
      });
      return { text: answer.text, finish_reason: answer.finishReason, usage: usageOf(answer.usage) };
    } catch (error) {
      if (signal.aborted) throw error;
      throw providerFailure(error, name);
    }
  }

  get #limits(): ModelLimits {
    const { modelTimeoutS = 900, modelSilenceS = 240, modelReplyMib = 64 } = this.settings;
    return {
      timeoutMs: modelTimeoutS * 1_000,
      silenceMs: modelSilenceS * 1_000,
      replyBytes: modelReplyMib * 1024 * 1024,
    };
  }

  /** A key is only ever sent to the endpoint it was given with. */
  #endpoint(env: Record<string, string>): { url?: string; key?: string } {
    const own = { url: env.OPENAI_BASE_URL, key: env.OPENAI_API_KEY };
    if (own.url) return { url: own.url, ...(own.key ? { key: own.key } : {}) };
    if (own.key) return { url: this.settings.modelBaseUrl ?? OPENAI_URL, key: own.key };
    const { modelBaseUrl, modelApiKey } = this.settings;
    return { ...(modelBaseUrl ? { url: modelBaseUrl } : {}), ...(modelApiKey ? { key: modelApiKey } : {}) };
  }
}

export function usageOf(usage: LanguageModelUsage): ModelUsage {
  return {
    input_tokens: usage.inputTokens ?? 0,
    output_tokens: usage.outputTokens ?? 0,
    cached_tokens: usage.inputTokenDetails.cacheReadTokens ?? 0,
    cost_usd: '0',
  };
}

export function callSettings(
  agent: AgentDefinition,
  model: string,
  own: ModelCall['settings'] = {},
): { maxOutputTokens?: number; temperature?: number; topP?: number } {
  const settings = { ...agent.llm_settings?.per_model[model], ...own };
  return {
    ...(settings.max_tokens === undefined ? {} : { maxOutputTokens: settings.max_tokens }),
    ...(settings.temperature === undefined ? {} : { temperature: settings.temperature }),
    ...(settings.top_p === undefined ? {} : { topP: settings.top_p }),
  };
}

function unknownModel(name: string, detail: string): AgentFailed {
  return new AgentFailed({
    code: 'model_unknown',
    category: 'agent',
    title: 'The model is not known',
    detail: `"${name}": ${detail}`,
    remedy: 'Correct "model" in the agent definition.',
    retryable: false,
  });
}

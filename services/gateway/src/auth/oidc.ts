import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import { isId } from '@runledger/wire';
import {
  createRemoteJWKSet,
  decodeJwt,
  errors,
  type JWTPayload,
  jwtVerify,
  type JWTVerifyGetKey,
} from 'jose';
import { z } from 'zod';
import { Problem } from '../problem/problem.ts';
import { TOKEN_LIMITS } from './identity.ts';
import { type OidcIssuer, oidcIssuers } from './oidc-settings.ts';
import type { Principal } from './principal.ts';

const SKEW_S = 60;
const ANSWER_WITHIN_MS = 5_000;
const MAX_TOKEN_BYTES = 8 * 1024;
const KEYS = { timeoutDuration: ANSWER_WITHIN_MS, cooldownDuration: 30_000, cacheMaxAge: 600_000 };

interface Trusted extends OidcIssuer {
  keys: Promise<JWTVerifyGetKey> | undefined;
}

/** Tokens of the issuers in `RUNLEDGER_OIDC`. */
@Injectable()
export class OidcTokens {
  readonly #issuers: Map<string, Trusted>;

  constructor(@Inject(SERVICE_CONTEXT) private readonly context: ServiceContext) {
    const issuers = oidcIssuers(context.settings.oidc);
    this.#issuers = new Map(issuers.map((issuer) => [issuer.issuer, { ...issuer, keys: undefined }]));
  }

  /** Whether it has the form of a token, so that it is worth the name of one. */
  static isToken = (text: string): boolean => /^eyJ[\w-]*\.[\w-]+\.[\w-]+$/.test(text);

  /** Nothing for a token that is not good; throws `issuer_unavailable` when that cannot be known now. */
  async verify(token: string): Promise<Omit<Principal, 'channel'> | undefined> {
    const trusted = token.length <= MAX_TOKEN_BYTES ? this.#issuers.get(issuerOf(token)) : undefined;
    if (!trusted) return undefined;
    const payload = await this.#payload(token, trusted);
    return payload && principalOf(payload, trusted);
  }

  async #payload(token: string, trusted: Trusted): Promise<JWTPayload | undefined> {
    try {
      const { payload } = await jwtVerify(token, await this.#keysOf(trusted), {
        issuer: trusted.issuer,
        audience: trusted.audience,
        algorithms: trusted.algorithms,
        clockTolerance: SKEW_S,
        requiredClaims: ['exp', trusted.user_claim],
      });
      return payload;
    } catch (error) {
      if (error instanceof errors.JOSEError && !isOutage(error)) return undefined;
      this.context.logger.warn(
        { err: error, issuer: trusted.issuer },
        'the keys of an issuer cannot be read',
      );
      throw new Problem('issuer_unavailable', 'The issuer of the token cannot be asked for its keys now.');
    }
  }

  #keysOf(trusted: Trusted): Promise<JWTVerifyGetKey> {
    trusted.keys ??= discover(trusted).catch((error: unknown) => {
      trusted.keys = undefined;
      throw error;
    });
    return trusted.keys;
  }
}

const isOutage = (error: errors.JOSEError): boolean =>
  error instanceof errors.JWKSTimeout ||
  error instanceof errors.JWKSInvalid ||
  error.code === 'ERR_JOSE_GENERIC';

async function discover({ issuer, jwks_uri }: OidcIssuer): Promise<JWTVerifyGetKey> {
  if (jwks_uri !== undefined) return createRemoteJWKSet(new URL(jwks_uri), KEYS);
  const url = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`;
  const response = await fetch(url, { redirect: 'error', signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
  const found = z
    .looseObject({ issuer: z.literal(issuer), jwks_uri: z.url() })
    .parse(JSON.parse(await response.text()));
  return createRemoteJWKSet(new URL(found.jwks_uri), KEYS);
}

function issuerOf(token: string): string {
  try {
    return decodeJwt(token).iss ?? '';
  } catch {
    return '';
  }
}

function principalOf(payload: JWTPayload, trusted: Trusted): Omit<Principal, 'channel'> | undefined {
  const subject = payload[trusted.user_claim];
  if (typeof subject !== 'string' || subject === '' || payload.exp === undefined) return undefined;
  if (Object.entries(trusted.claims).some(([claim, value]) => payload[claim] !== value)) return undefined;
  const expires_at = new Date(payload.exp * 1000).toISOString();
  return {
    key_id: `oidc-${digest(`${trusted.issuer} ${subject}`)}`,
    tenant_id: trusted.tenant_id,
    user_id: isId('user_id', subject) ? subject : `oidc-${digest(subject)}`,
    scopes: new Set(trusted.scopes),
    workspace_ids: trusted.workspace_ids,
    agent_id: trusted.agent_id,
    expires_at,
    ...TOKEN_LIMITS,
    credential: { kind: 'token', expires_at },
  };
}

const digest = (text: string): string => createHash('sha256').update(text).digest('hex').slice(0, 32);

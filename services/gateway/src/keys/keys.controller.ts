import { Body, Controller, Delete, Get, Header, Inject, Param, Post, Query } from '@nestjs/common';
import { Caller } from '../auth/access.guard.ts';
import type { Principal } from '../auth/principal.ts';
import { Operation } from '../openapi/operation.ts';
import { SchemaPipe } from '../validation/schema.pipe.ts';
import { KeyKeeper } from './key-keeper.ts';
import {
  CreateKeyRequest,
  type KeyListAnswer,
  KeyListAnswer as KeyListSchema,
  KeyPath,
  ListKeysQuery,
  type NewSecretAnswer,
  NewSecretAnswer as NewSecretSchema,
  presentKey,
  RotateKeyRequest,
} from './key-request.ts';

@Controller('api-keys')
export class KeysController {
  constructor(@Inject(KeyKeeper) private readonly keeper: KeyKeeper) {}

  @Post()
  @Header('cache-control', 'no-store')
  @Operation({
    id: 'createApiKey',
    summary: 'Make an API key; it is shown this once',
    description: 'It can never do more than the credential that makes it.',
    tag: 'credentials',
    access: ['keys:write'],
    body: CreateKeyRequest,
    answers: { 201: { description: 'The key, and what it may do', schema: NewSecretSchema } },
    problems: ['too_many_keys', 'log_unavailable', 'log_full'],
  })
  async create(
    @Caller() caller: Principal,
    @Body(new SchemaPipe(CreateKeyRequest, 'body')) body: CreateKeyRequest,
  ): Promise<NewSecretAnswer> {
    const { api_key, record } = await this.keeper.create(caller, body);
    return { ...presentKey(record), api_key };
  }

  @Get()
  @Operation({
    id: 'listApiKeys',
    summary: 'Your keys, without their secrets; with `admin`, those of the tenant',
    tag: 'credentials',
    access: ['keys:write'],
    query: ListKeysQuery,
    answers: { 200: { description: 'A page of keys, oldest first', schema: KeyListSchema } },
    problems: ['log_unavailable'],
  })
  async list(
    @Caller() caller: Principal,
    @Query(new SchemaPipe(ListKeysQuery, 'query')) query: ListKeysQuery,
  ): Promise<KeyListAnswer> {
    const { records, next_cursor } = await this.keeper.list(caller, query);
    return { keys: records.map((record) => presentKey(record)), next_cursor };
  }

  @Post(':key_id/rotate')
  @Header('cache-control', 'no-store')
  @Operation({
    id: 'rotateApiKey',
    summary: 'Give a key a new secret, shown this once; the old one works until its grace is over',
    tag: 'credentials',
    access: ['keys:write'],
    path: KeyPath,
    body: RotateKeyRequest,
    answers: { 200: { description: 'The key with its new secret', schema: NewSecretSchema } },
    problems: [
      'key_not_found',
      'key_ended',
      'key_rotating',
      'log_unavailable',
      'log_full',
      'outcome_unknown',
    ],
  })
  async rotate(
    @Caller() caller: Principal,
    @Param(new SchemaPipe(KeyPath, 'path')) path: KeyPath,
    @Body(new SchemaPipe(RotateKeyRequest.prefault({}), 'body')) body: RotateKeyRequest,
  ): Promise<NewSecretAnswer> {
    const { api_key, record } = await this.keeper.rotate(caller, path.key_id, body);
    return { ...presentKey(record), api_key };
  }

  @Delete(':key_id')
  @Operation({
    id: 'revokeApiKey',
    summary: 'End a key, its sessions and its open streams, everywhere within 5 seconds',
    tag: 'credentials',
    access: ['keys:write'],
    path: KeyPath,
    answers: { 204: { description: 'It is revoked, or was before' } },
    problems: ['key_not_found', 'log_unavailable', 'outcome_unknown'],
  })
  async revoke(
    @Caller() caller: Principal,
    @Param(new SchemaPipe(KeyPath, 'path')) path: KeyPath,
  ): Promise<void> {
    await this.keeper.revoke(caller, path.key_id);
  }
}

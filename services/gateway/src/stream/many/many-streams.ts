import { setTimeout as pause } from 'node:timers/promises';
import { Inject, Injectable } from '@nestjs/common';
import { RunErased, type RunAddress } from '@runledger/run-log';
import { SERVICE_CONTEXT, type ServiceContext } from '@runledger/service-host';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Principal } from '../../auth/principal.ts';
import { problemFromError } from '../../problem/from-error.ts';
import { RunAccess } from '../../runs/load-run-for.ts';
import type { TypeFilter } from '../commit-frames.ts';
import { OpenStreams } from '../open-streams.ts';
import { NotFollowed, RunWatcher, type Stand } from '../run-watcher.ts';
import { RETRY_LINE } from '../sse-frame.ts';
import { ManyConnection, ManySink } from './many-sink.ts';
import { OwnRuns } from './own-runs.ts';
import { MOST_RUNS, type RunCursors } from './run-cursors.ts';

/** How often it is looked whether the caller has new runs. */
const LOOK_EVERY_MS = 2_000;

export interface Place {
  address: RunAddress;
  after: number;
  stand: Stand;
}

export interface ManyRequest {
  caller: Principal;
  cursors: RunCursors;
  places: Place[];
  filter: TypeFilter | undefined;
  /** The caller's runs that begin later are added, and the stream does not end by itself. */
  mine: boolean;
}

/** Streams of many runs on one connection. */
@Injectable()
export class ManyStreams {
  constructor(
    @Inject(SERVICE_CONTEXT) private readonly context: ServiceContext,
    @Inject(OpenStreams) private readonly streams: OpenStreams,
    @Inject(RunWatcher) private readonly watcher: RunWatcher,
    @Inject(RunAccess) private readonly access: RunAccess,
    @Inject(OwnRuns) private readonly ownRuns: OwnRuns,
  ) {}

  /** Where a run of the caller's stands. Throws as `loadRunFor` and `standOf`. */
  async placeOf(caller: Principal, runId: string, after: number): Promise<Place> {
    const { address } = await this.access.loadRunFor(caller, runId, 'read');
    return { address, after, stand: await this.watcher.standOf(address, after) };
  }

  /** As `placeOf`, without the runs that the caller may not see or that are no more. */
  async placesThatAre(caller: Principal, runs: Iterable<[string, number]>): Promise<Place[]> {
    const places = await Promise.all(
      [...runs].map(([runId, after]) => this.placeOf(caller, runId, after).catch(undefinedIfGone)),
    );
    return places.filter((place) => place !== undefined);
  }

  /** Takes the reply over and answers at once. */
  open(many: ManyRequest, request: FastifyRequest, reply: FastifyReply): void {
    const reader = this.streams.open(many.caller, request, reply);
    void this.#serve(many, new ManyConnection(reader, many.cursors, many.filter));
  }

  async #serve(many: ManyRequest, connection: ManyConnection): Promise<void> {
    const { reader } = connection;
    try {
      if (!(await reader.push(RETRY_LINE))) return;
      const watching = Promise.all(many.places.map((place) => this.#watch(place, connection)));
      await (many.mine ? Promise.all([watching, this.#addNewOnes(many, connection)]) : watching);
    } catch (error) {
      // The status is already sent: all that can be said is to close, and the reader resumes.
      if (!(error instanceof NotFollowed))
        this.context.logger.warn({ err: error }, 'a stream of many runs was closed early');
    }
    reader.end();
  }

  async #watch({ address, after, stand }: Place, connection: ManyConnection): Promise<void> {
    const { run_id } = address;
    connection.cursors.set(run_id, after);
    try {
      await this.watcher.watch(address, after, stand, new ManySink(connection, run_id));
      connection.finished.add(run_id);
    } catch (error) {
      // Nothing comes of it any more, and of the others it does.
      if (!(error instanceof RunErased)) throw error;
      connection.finished.add(run_id);
    }
  }

  /** Until the reader has left, or one of the new runs cannot be watched. */
  async #addNewOnes({ caller }: ManyRequest, connection: ManyConnection): Promise<void> {
    const { reader } = connection;
    const failed = Promise.withResolvers<void>();
    const look = async (): Promise<void> => {
      while (await passed(LOOK_EVERY_MS, reader.gone))
        for (const place of await this.#newPlaces(caller, connection))
          this.#watch(place, connection).catch((error: unknown) => failed.reject(error));
    };
    await Promise.race([look(), failed.promise]);
  }

  async #newPlaces(caller: Principal, connection: ManyConnection): Promise<Place[]> {
    const { cursors } = connection;
    try {
      const found = await this.ownRuns.newOnes(caller, cursors);
      connection.makeRoom(found.length);
      const room = found.slice(0, MOST_RUNS - cursors.size);
      return await this.placesThatAre(
        caller,
        room.map((runId) => [runId, 0]),
      );
    } catch (error) {
      this.context.logger.debug({ err: error }, 'cannot look for new runs of a reader');
      return [];
    }
  }
}

function undefinedIfGone(error: unknown): undefined {
  const { status } = problemFromError(error);
  if (status !== 403 && status !== 404 && status !== 410) throw error;
}

async function passed(ms: number, signal: AbortSignal): Promise<boolean> {
  try {
    await pause(ms, undefined, { signal, ref: false });
    return true;
  } catch {
    return false;
  }
}

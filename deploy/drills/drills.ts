import type { Drill } from './drill.ts';
import { acks } from './drills/acks.ts';
import { bigTree } from './drills/big-tree.ts';
import { broker } from './drills/broker.ts';
import { budget } from './drills/budget.ts';
import { clock } from './drills/clock.ts';
import { deleted } from './drills/deleted.ts';
import { deploy } from './drills/deploy.ts';
import { disk } from './drills/disk.ts';
import { duplicates } from './drills/duplicates.ts';
import { full } from './drills/full.ts';
import { idempotency } from './drills/idempotency.ts';
import { injection } from './drills/injection.ts';
import { leader } from './drills/leader.ts';
import { longRun } from './drills/long-run.ts';
import { manyReaders } from './drills/many-readers.ts';
import { partition } from './drills/partition.ts';
import { poison } from './drills/poison.ts';
import { power } from './drills/power.ts';
import { providerFaults } from './drills/provider-faults.ts';
import { reconnectStorm } from './drills/reconnect-storm.ts';
import { replicas } from './drills/replicas.ts';
import { sameBytes } from './drills/same-bytes.ts';
import { seam } from './drills/seam.ts';
import { runCap } from './drills/run-cap.ts';
import { services } from './drills/services.ts';
import { slowReaders } from './drills/slow-readers.ts';
import { access, permissions } from './drills/specs.ts';
import { toolCalls } from './drills/tool-calls.ts';
import { startingOrder } from './drills/starting-order.ts';
import { trees } from './drills/trees.ts';
import { views } from './drills/views.ts';
import { zombie } from './drills/zombie.ts';

/** In the order in which `all` runs them. */
export const DRILLS: readonly Drill[] = [
  services,
  broker,
  leader,
  power,
  acks,
  partition,
  views,
  disk,
  full,
  runCap,
  poison,
  replicas,
  deploy,
  trees,
  bigTree,
  toolCalls,
  duplicates,
  deleted,
  clock,
  budget,
  providerFaults,
  zombie,
  manyReaders,
  slowReaders,
  reconnectStorm,
  seam,
  sameBytes,
  longRun,
  idempotency,
  injection,
  startingOrder,
  access,
  permissions,
];

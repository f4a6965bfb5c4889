import type { Drill } from './drill.ts';
import { broker } from './drills/broker.ts';
import { leader } from './drills/leader.ts';
import { power } from './drills/power.ts';
import { services } from './drills/services.ts';

/** In the order in which `all` runs them. */
export const DRILLS: readonly Drill[] = [services, broker, leader, power];

import { runService } from '@runledger/service-host';
import { schedulerDefinition } from './module.ts';

await runService(schedulerDefinition);

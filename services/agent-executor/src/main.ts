import { runService } from '@runledger/service-host';
import { executorDefinition } from './module.ts';

await runService(executorDefinition);

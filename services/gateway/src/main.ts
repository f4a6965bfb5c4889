import { runService } from '@runledger/service-host';
import { gatewayDefinition } from './module.ts';

await runService(gatewayDefinition);

import { runService } from '@runledger/service-host';
import { reconcilerDefinition } from './module.ts';
import { rebuildCommand } from './rebuild-command.ts';

if (process.argv[2] === 'rebuild-views') process.exitCode = await rebuildCommand(process.env, console.log);
else await runService(reconcilerDefinition);

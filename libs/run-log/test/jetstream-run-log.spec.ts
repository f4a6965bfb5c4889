import { startLogServer } from './log-server.ts';
import { runLogContract } from './run-log.contract.ts';

runLogContract('JetStream', startLogServer);

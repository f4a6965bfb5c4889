import { MemoryRunLog } from '../src/index.ts';
import { MemoryCommitStore } from '../src/memory/memory-commit-store.ts';
import { runLogContract } from './run-log.contract.ts';

runLogContract('memory', async () => {
  const store = new MemoryCommitStore();
  return { open: (writer) => new MemoryRunLog({ writer }, store), close: async () => undefined };
});

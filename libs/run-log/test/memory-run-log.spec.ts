import { MemoryRunLog } from '../src/index.ts';
import { MemoryCommitStore } from '../src/memory/memory-commit-store.ts';
import { runLogContract } from './run-log.contract.ts';

runLogContract('memory', async () => {
  const store = new MemoryCommitStore();
  return {
    open: (writer) => new MemoryRunLog({ writer }, store),
    beginErasing: async (address) => store.beginErasing(address),
    close: async () => undefined,
  };
});

import type { RunningService, ServiceDefinition } from './port.ts';
import { readSettings } from './settings.ts';
import { ServiceClosed, startService } from './start-service.ts';

/** A service as a process of its own: settings from the environment, signals handled. A failed start is one line and exit 1. */
export async function runService(definition: ServiceDefinition): Promise<RunningService | undefined> {
  try {
    return await startService(definition, readSettings(), { signals: true });
  } catch (error) {
    // By a signal, whose handler exits.
    if (error instanceof ServiceClosed) return undefined;
    process.stderr.write(`${definition.name}: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  }
}

export { brokerAccess } from './broker-access.ts';
export {
  SERVICE_CONTEXT,
  type RunningService,
  type ServiceContext,
  type ServiceDefinition,
  type ServiceName,
  type Settings,
} from './port.ts';
export { Readiness } from './readiness.ts';
export { runService } from './run-service.ts';
export { type LogOptions, serviceLog } from './service-log.ts';
export { InvalidSettings, readSettings } from './settings.ts';
export { ServiceClosed, startService, type StartOptions } from './start-service.ts';

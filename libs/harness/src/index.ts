export * from './port.ts';
export { codeHostCommand } from './code-host-command.ts';
export { MAX_FRAME_BYTES } from './frame-size.ts';
export { type GroupLimits } from './group-watch.ts';
export { whySandboxFails, type Sandbox } from './sandbox.ts';
export { AgentProcess, type Exit, type ProcessOptions } from './process-runtime.ts';
export {
  encodeFrame,
  LineSplitter,
  parseUpFrame,
  PROTOCOL_VERSION,
  ProtocolViolation,
  type CallMethod,
  type DownFrame,
  type StartFrame,
  type UpFrame,
} from './protocol.ts';

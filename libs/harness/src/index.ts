export * from './port.ts';
export { codeHostCommand } from './code-host-command.ts';
export { AgentProcess, type Exit, type ProcessOptions } from './process-runtime.ts';
export {
  encodeFrame,
  LineSplitter,
  MAX_FRAME_BYTES,
  parseUpFrame,
  PROTOCOL_VERSION,
  ProtocolViolation,
  type CallMethod,
  type DownFrame,
  type StartFrame,
  type UpFrame,
} from './protocol.ts';

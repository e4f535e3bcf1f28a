/**
 * A typed client for QMP servers: this project's and QEMU's. docs/qmp-client.md shows every call.
 */
export type { JsonObject, JsonValue } from '../../src/system/json.js';
export { QFloat } from '../../src/system/json.js';
export { type EventsOptions, QmpClient } from './client.js';
export type {
  CommandArgs,
  CommandName,
  CommandResult,
  EventName,
  EventNamed,
  QmpCommands,
  QmpEvents,
} from './commands.js';
export { type ConnectOptions, connect } from './connect.js';
export {
  type AbstractEndpoint,
  type Endpoint,
  endpointName,
  parseEndpoint,
  type TcpEndpoint,
  type UnixEndpoint,
  type WebSocketEndpoint,
} from './endpoint.js';
export { QmpCommandError, QmpConnectionError, QmpTimeoutError } from './errors.js';
export { EventStream, type EventStreamOptions } from './event-stream.js';
export type { Limits } from './limits.js';
export {
  ClientSession,
  type ClientTransport,
  type ExecuteOptions,
  type QmpEvent,
  type QmpGreeting,
} from './session.js';

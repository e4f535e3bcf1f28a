/** Exit status of nitro-qmp. */
export enum ExitStatus {
  Success = 0,
  /** The server refused a command. */
  Refused = 1,
  Usage = 2,
  /** No connection, or no reply in time. */
  Connection = 3,
}

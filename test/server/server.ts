/** A Postgres server that was started for the tests. */
export interface RunningServer {
  /** For people. */
  readonly name: string
  /** Of a database on it, as a role that may make others. */
  readonly url: string
  stop(): Promise<void>
}

/** One statement as it goes to a driver. Every parameter is text or null, so that all drivers see the same. */
export interface Statement {
  readonly name: string | undefined
  readonly text: string
  readonly params: readonly (string | null)[]
  /** True when the text is one of a fixed set, so that preparing it once per connection pays. */
  readonly prepare: boolean
}

/** Rows in column order. Booleans, 2- and 4-byte integers and doubles are JS values; all else is Postgres text. */
export interface RawResult {
  /** The names of the columns; asked for only where rows are made of them. */
  readonly columns: () => readonly string[]
  readonly rows: readonly (readonly unknown[])[]
}

/** One connection to a database. Not shared: whoever holds it runs one statement at a time. */
export interface Link {
  /** True once the connection is lost or its state is unknown; it must not be used again. */
  readonly broken: boolean
  run(statement: Statement): Promise<RawResult>
  /** Runs text without parameters, as one round trip, and returns the command tag of the last statement. */
  runScript(text: string): Promise<string>
  /** Sends `data` to a COPY … FROM STDIN, inside a transaction. Absent where the driver has no COPY. */
  readonly copyIn?: (text: string, data: readonly Buffer[]) => Promise<void>
  close(): Promise<void>
}

/** What a listening connection tells without being asked. */
export interface ListeningEvents {
  notified(channel: string, payload: string): void
  /** The connection is gone. May be told more than once. */
  lost(): void
}

/** A connection of its own that hears what is sent on the channels it was told to LISTEN on. */
export interface ListeningLink extends Pick<Link, 'broken' | 'runScript' | 'close'> {
  /** Cuts it without a goodbye, so that nothing of it is left in this process. */
  abandon(): void
}

export type EngineKind = 'postgres' | 'pg' | 'pglite'

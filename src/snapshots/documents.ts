import { type Column, getTableColumns } from 'drizzle-orm'
import type { PgTable } from 'drizzle-orm/pg-core'

/** A row as Postgres writes it into a JSON document, its numbers as text. */
export type RowDocument = Readonly<Record<string, unknown>>

/**
 * Makes a row of a table of what `risk.numbers_as_text(to_jsonb(row))` made of it.
 *
 * Several tables come in one answer that way, and no amount is a JavaScript number in between.
 */
export function readRow<Table extends PgTable>(table: Table, document: RowDocument): Table['$inferSelect'] {
  const row: Record<string, unknown> = {}
  for (const [key, column] of Object.entries(getTableColumns(table))) {
    const value = document[column.name] ?? null
    row[key] = value === null ? null : readValue(column, value)
  }
  return row as Table['$inferSelect']
}

/** Makes rows of a list of documents. */
export function readRows<Table extends PgTable>(
  table: Table,
  documents: readonly RowDocument[],
): Table['$inferSelect'][] {
  return documents.map((document) => readRow(table, document))
}

function readValue(column: Column, value: unknown): unknown {
  const isTime = typeof value === 'string' && column.getSQLType().startsWith('timestamp')
  // JSON has a T between date and time.
  return column.mapFromDriverValue(isTime ? value.replace('T', ' ') : value)
}

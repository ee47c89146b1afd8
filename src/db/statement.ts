import { Column, is, Placeholder, SQL, sql } from 'drizzle-orm'
import { PgDialect, type SelectedFieldsOrdered } from 'drizzle-orm/pg-core'
import type { Query } from 'drizzle-orm/sql/sql'
import type { Database } from './database.ts'
import { translateError } from './sqlstate.ts'

/** A query whose text is made once: building it with Drizzle on each call costs more than running it. */
export interface PreparedStatement<Row, Values extends string> {
  readonly name: string
  run(db: Database, values: Readonly<Record<Values, unknown>>): Promise<Row[]>
  /** Runs it with a value for each of its slots, asked for by name in the order of the text. */
  runWith(db: Database, give: (slot: Values) => unknown): Promise<Row[]>
}

interface Selectable<Row> {
  getSQL(): SQL
  readonly _: { readonly selectedFields: Record<string, unknown>; readonly result: Row[] }
}

type Field = SelectedFieldsOrdered[number]['field']

/** Defines a select under the name of its verb. `build` runs at the first use; placeholders come from `slot`. */
export function selectStatement<Row, Values extends string>(
  name: string,
  build: (slot: (value: Values) => SQL) => Selectable<Row>,
): PreparedStatement<Row, Values> {
  return compiled(name, () => {
    const select = build(slotOf)
    return { query: select.getSQL(), fields: select._.selectedFields as Record<string, Field> }
  })
}

/** Names and decodes the columns of a result, in their order. */
export type ResultFields = Readonly<Record<string, unknown>>

/** Makes a row of the values of a result as they come: for wide results, where decoding field by field costs the most. */
export type ReadRow<Row> = (values: readonly unknown[]) => Row

/** Defines a statement written as SQL. */
export function sqlStatement<Row, Values extends string>(
  name: string,
  build: (slot: (value: Values) => SQL) => {
    readonly query: SQL
    readonly fields: ResultFields | ReadRow<Row>
  },
): PreparedStatement<Row, Values> {
  return compiled(name, () => {
    const { query, fields } = build(slotOf)
    return { query, fields: fields as Record<string, Field> | ReadRow<Row> }
  })
}

function slotOf(value: string): SQL {
  return sql`${sql.placeholder(value)}`
}

interface Compiled<Row> {
  readonly query: Query
  /** Per parameter, the slot that it is; undefined for one that the text itself has given. */
  readonly slots: readonly (string | undefined)[]
  readonly toRow: (values: readonly unknown[]) => Row
}

function compiled<Row, Values extends string>(
  name: string,
  build: () => { query: SQL; fields: Record<string, Field> | ReadRow<Row> },
): PreparedStatement<Row, Values> {
  let ready: Compiled<Row> | undefined
  async function runWith(db: Database, give: (slot: Values) => unknown): Promise<Row[]> {
    ready ??= compile(build())
    const { query, slots, toRow } = ready
    const params = slots.map((slot, i) => (slot === undefined ? query.params[i] : give(slot as Values)))
    try {
      const prepared = db._.session.prepareQuery<{ execute: Row[]; all: unknown; values: unknown }>(
        { sql: query.sql, params },
        undefined,
        name,
        true,
        (rows) => rows.map(toRow),
      )
      return await prepared.execute()
    } catch (thrown) {
      throw translateError(thrown, name)
    }
  }
  return { name, runWith, run: (db, values) => runWith(db, (slot) => values[slot]) }
}

function compile<Row>({
  query,
  fields,
}: {
  query: SQL
  fields: Record<string, Field> | ReadRow<Row>
}): Compiled<Row> {
  const compiledQuery = new PgDialect().sqlToQuery(query)
  return {
    query: compiledQuery,
    slots: compiledQuery.params.map((param) => (is(param, Placeholder) ? String(param.name) : undefined)),
    toRow: typeof fields === 'function' ? fields : fieldByField(fields),
  }
}

/** Drizzle's own mapping asks of each value anew what kind of field it belongs to. */
function fieldByField<Row>(fields: Record<string, Field>): ReadRow<Row> {
  const columns = Object.entries(fields).map(([key, field]) => [key, decoderOf(field)] as const)
  return (values) => {
    const row: Record<string, unknown> = {}
    for (let i = 0; i < columns.length; i++) {
      const [key, decoder] = columns[i] as (typeof columns)[number]
      const value = values[i]
      row[key] = value === null ? null : decoder.mapFromDriverValue(value)
    }
    return row as Row
  }
}

type Decoder = { mapFromDriverValue(value: unknown): unknown }

function decoderOf(field: Field): Decoder {
  if (is(field, Column)) return field
  // Where an expression keeps how its values are read is left out of the published types.
  const { decoder } = (is(field, SQL.Aliased) ? field.sql : field) as unknown as { decoder: Decoder }
  return decoder
}

import { Column, is, SQL, sql } from 'drizzle-orm'
import { PgDialect, type SelectedFieldsOrdered } from 'drizzle-orm/pg-core'
import type { Query } from 'drizzle-orm/sql/sql'
import type { Database } from './database.ts'
import { translateError } from './sqlstate.ts'

/** A query whose text is made once: building it with Drizzle on each call costs more than running it. */
export interface PreparedStatement<Row, Values extends string> {
  readonly name: string
  run(db: Database, values: Readonly<Record<Values, unknown>>): Promise<Row[]>
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

/** Defines a statement written as SQL; `fields` names and decodes its result columns, in their order. */
export function sqlStatement<Row, Values extends string>(
  name: string,
  build: (slot: (value: Values) => SQL) => {
    readonly query: SQL
    readonly fields: Readonly<Record<string, unknown>>
  },
): PreparedStatement<Row, Values> {
  return compiled(name, () => {
    const { query, fields } = build(slotOf)
    return { query, fields: fields as Record<string, Field> }
  })
}

function slotOf(value: string): SQL {
  return sql`${sql.placeholder(value)}`
}

interface Compiled<Row> {
  readonly query: Query
  readonly toRow: (values: readonly unknown[]) => Row
}

function compiled<Row, Values extends string>(
  name: string,
  build: () => { query: SQL; fields: Record<string, Field> },
): PreparedStatement<Row, Values> {
  let ready: Compiled<Row> | undefined
  return {
    name,
    async run(db, values) {
      ready ??= compile(build())
      const { query, toRow } = ready
      try {
        const prepared = db._.session.prepareQuery<{ execute: Row[]; all: unknown; values: unknown }>(
          query,
          undefined,
          name,
          true,
          (rows) => rows.map(toRow),
        )
        return await prepared.execute(values)
      } catch (thrown) {
        throw translateError(thrown, name)
      }
    },
  }
}

function compile<Row>({ query, fields }: { query: SQL; fields: Record<string, Field> }): Compiled<Row> {
  const columns = Object.entries(fields).map(([key, field]) => [key, decoderOf(field)] as const)
  return {
    query: new PgDialect().sqlToQuery(query),
    // Drizzle's own mapping asks of each value anew what kind of field it belongs to.
    toRow(values) {
      const row: Record<string, unknown> = {}
      for (let i = 0; i < columns.length; i++) {
        const [key, decoder] = columns[i] as (typeof columns)[number]
        const value = values[i]
        row[key] = value === null ? null : decoder.mapFromDriverValue(value)
      }
      return row as Row
    },
  }
}

type Decoder = { mapFromDriverValue(value: unknown): unknown }

function decoderOf(field: Field): Decoder {
  if (is(field, Column)) return field
  // Where an expression keeps how its values are read is left out of the published types.
  const { decoder } = (is(field, SQL.Aliased) ? field.sql : field) as unknown as { decoder: Decoder }
  return decoder
}

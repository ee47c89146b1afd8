import { type SQL, sql } from 'drizzle-orm'
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

function compiled<Row, Values extends string>(
  name: string,
  build: () => { query: SQL; fields: Record<string, Field> },
): PreparedStatement<Row, Values> {
  let query: Query | undefined
  let fields: SelectedFieldsOrdered = []
  return {
    name,
    async run(db, values) {
      if (!query) {
        const built = build()
        fields = Object.entries(built.fields).map(([key, field]) => ({ path: [key], field }))
        query = new PgDialect().sqlToQuery(built.query)
      }
      try {
        const prepared = db._.session.prepareQuery<{ execute: Row[]; all: unknown; values: unknown }>(
          query,
          fields,
          name,
          true,
        )
        return await prepared.execute(values)
      } catch (thrown) {
        throw translateError(thrown, name)
      }
    },
  }
}

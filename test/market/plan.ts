import type { Connection, Database } from '../../src/db/database.ts'

/** The plan of the last statement that a verb sends, with the values that it sends. */
export async function planOf(db: Connection, verb: (db: Database) => Promise<unknown>): Promise<string> {
  const { session } = db._
  const sent: Parameters<typeof session.prepareQuery>[0][] = []
  const spied = Object.create(session, {
    prepareQuery: {
      value: (...given: Parameters<typeof session.prepareQuery>) => {
        sent.push(given[0])
        return session.prepareQuery(...given)
      },
    },
  })
  await verb(Object.create(db, { _: { value: { ...db._, session: spied } }, session: { value: spied } }))
  const last = sent.at(-1)
  if (last === undefined) throw new Error('the verb sent nothing')
  const explain = { ...last, sql: `explain ${last.sql}` }
  const rows = (await session.prepareQuery(explain, undefined, undefined, false).execute()) as object[]
  return rows.flatMap((row) => Object.values(row)).join('\n')
}

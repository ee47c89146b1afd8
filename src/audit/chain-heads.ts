import { sql } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'

/** The tables that are chained, and what tells the chains of one bot apart. */
export const CHAINED_TABLES = { risk_events: 'kind', system_events: null, decision_history: null } as const
export type AuditTable = keyof typeof CHAINED_TABLES

/** The name of the chain of a row, as an expression over the columns of its table. */
export function chainOf(table: AuditTable, alias: string): string {
  const kind = CHAINED_TABLES[table]
  return kind === null ? `'${table}'` : `'${table}:' || coalesce(${alias}.${kind}, '')`
}

/** Where a chain ends, as the chain says and as its table says. */
export interface ChainHead {
  readonly botId: string
  readonly chain: string
  /** As the chain says; 0 and empty where nothing is known of such a chain. */
  readonly length: number
  readonly hash: string
  /** As the table says; 0 and empty where it has no row. */
  readonly lastSequence: number
  readonly lastHash: string
  readonly lastId: bigint | null
}

const tables = Object.keys(CHAINED_TABLES) as AuditTable[]

// Both ends of one moment: a row and the end of its chain commit together.
const headStatement: PreparedStatement<ChainHead, 'botId'> = sqlStatement('readChains', (slot) => {
  const isAsked = (alias: string) =>
    sql`(${slot('botId')}::text is null or ${sql.raw(alias)}.bot_id = ${slot('botId')})`
  const lastRows = tables.map(
    (table) => sql`
      (select e.sequence, e.hash, e.id from ${sql.raw(`audit.${table} e`)}
      where ${sql.raw(`split_part(c.chain, ':', 1) = '${table}'`)} and e.bot_id = c.bot_id
        ${sql.raw(CHAINED_TABLES[table] === null ? '' : `and e.kind = split_part(c.chain, ':', 2)`)}
      order by e.sequence desc limit 1)`,
  )
  const unknown = tables.map(
    (table) => sql`
      select coalesce(e.bot_id, ''), ${sql.raw(chainOf(table, 'e'))}, 0, '', greatest(max(e.sequence), 1), '', max(e.id) from ${sql.raw(`audit.${table} e`)}
      where ${isAsked('e')} and not exists (
        select from audit.chains c where c.bot_id = e.bot_id and c.chain = ${sql.raw(chainOf(table, 'e'))})
      group by 1, 2`,
  )
  return {
    query: sql`
      select h.bot_id, h.chain, h.length::text, h.hash, h.last_sequence::text, h.last_hash, h.last_id::text
      from (
        select c.bot_id, c.chain, c.length, encode(c.hash, 'hex') as hash, coalesce(l.sequence, 0) as last_sequence,
          coalesce(encode(l.hash, 'hex'), '') as last_hash, l.id as last_id
        from audit.chains c
        left join lateral (${sql.join(lastRows, sql` union all `)}) l on true
        where ${isAsked('c')}
        union all ${sql.join(unknown, sql` union all `)}) h
      order by 1, 2`,
    fields: ([botId, chain, length, hash, lastSequence, lastHash, lastId]) => ({
      botId: botId as string,
      chain: chain as string,
      length: Number(length),
      hash: hash as string,
      lastSequence: Number(lastSequence),
      lastHash: lastHash as string,
      lastId: lastId === null ? null : BigInt(lastId as string),
    }),
  }
})

/** Reads where every chain ends, of one bot or of all. Cost: one look at an index per chain, and one pass over the tables. */
export async function readChains(db: Database, botId: string | null): Promise<ChainHead[]> {
  return await headStatement.run(db, { botId })
}

import { sql } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { found, only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { type AuditTable, CHAINED_TABLES } from './chain-heads.ts'

/**
 * `altered`: the row does not say what was written. `missing`: a row is gone. `added`: a row that was never written through the chain.
 * `reordered`: the row was written at another place.
 */
export type AuditFaultKind = 'altered' | 'missing' | 'added' | 'reordered'

/** The first thing that is wrong with one chain. */
export interface AuditFault {
  readonly kind: AuditFaultKind
  readonly table: AuditTable
  /** `*` for the fleet. */
  readonly botId: string
  readonly chain: string
  /** The place in the chain: of the row, or where the missing one was. */
  readonly sequence: number
  /** The row; null of a missing one. */
  readonly id: bigint | null
  /** What was found, in words. */
  readonly finding: string
}

/** A row that does not fit the one before it, or what it says itself. */
export interface FoundFault {
  readonly botId: string
  readonly chain: string
  /** Empty where it tells no chains apart. */
  readonly kind: string
  readonly sequence: number
  readonly id: string
  readonly expectedSequence: number
  /** Its hash is not that of what it says. */
  readonly isAltered: boolean
  readonly previousId: string | null
}

interface Whereabouts {
  /** The place at which its hash is right; null if there is none. */
  readonly trueSequence: number | null
  readonly isTiedToNext: boolean
  /** Whether the row that it was tied to is still somewhere. */
  readonly isPredecessorThere: boolean
}

type Slot = 'botId' | 'kind' | 'chain' | 'sequence' | 'id'

const whereaboutsIn = (table: AuditTable): PreparedStatement<Whereabouts, Slot> =>
  sqlStatement(`verifyAuditTrail: fault of ${table}`, (slot) => {
    const from = sql.raw(`audit.${table}`)
    const kind = sql.raw(CHAINED_TABLES[table] ?? "''")
    return {
      query: sql`
        with faulty as materialized (
          select e.* from ${from} e
          where e.bot_id = ${slot('botId')} and ${kind} = ${slot('kind')}::text and e.sequence = ${slot('sequence')}::bigint
            and e.id = ${slot('id')}::bigint)
        -- After the row that it is tied to, wherever that stands now, or one place from where it is.
        select (
            select s.sequence::int from (
              select before.sequence + 1 as sequence from ${from} before where before.bot_id = f.bot_id and before.hash = f.previous_hash
              union select f.sequence - 1 union select f.sequence + 1) s
            where audit.hash_of(f.previous_hash, s.sequence, audit.content_of((select e from ${from} e where e.bot_id = f.bot_id
              and e.id = f.id limit 1))) = f.hash
            limit 1),
          exists (
            select from ${from} e where e.bot_id = f.bot_id and ${kind} = ${slot('kind')}::text and e.sequence = f.sequence + 1
              and e.previous_hash = f.hash
            union all
            select from audit.chains c where c.bot_id = f.bot_id and c.chain = ${slot('chain')} and c.hash = f.hash),
          exists (select from ${from} e where e.bot_id = f.bot_id and e.hash = f.previous_hash)
        from faulty f`,
      fields: ([trueSequence, isTiedToNext, isPredecessorThere]) => ({
        trueSequence: trueSequence as number | null,
        isTiedToNext: isTiedToNext as boolean,
        isPredecessorThere: isPredecessorThere as boolean,
      }),
    }
  })

const whereabouts: Readonly<Record<AuditTable, PreparedStatement<Whereabouts, Slot>>> = {
  risk_events: whereaboutsIn('risk_events'),
  system_events: whereaboutsIn('system_events'),
  decision_history: whereaboutsIn('decision_history'),
}

/** Says what is wrong with the first row of a chain that does not fit. */
export async function explainFault(db: Database, table: AuditTable, fault: FoundFault): Promise<AuditFault> {
  const { botId, chain, sequence, expectedSequence, isAltered } = fault
  const at = { table, botId, chain, sequence, id: BigInt(fault.id) }
  if (sequence < 1 || sequence < expectedSequence) {
    return { ...at, kind: 'added', finding: `a row says that it is number ${sequence}` }
  }
  const gone = { ...at, kind: 'missing', sequence: expectedSequence, id: null } as const
  if (sequence > expectedSequence) {
    return { ...gone, finding: `the rows from ${expectedSequence} to ${sequence - 1} are gone` }
  }
  const { trueSequence, isTiedToNext, isPredecessorThere } = found(
    `row ${fault.id} of audit.${table}`,
    only(
      'verifyAuditTrail: fault',
      await whereabouts[table].run(db, { botId, kind: fault.kind, chain, sequence, id: fault.id }),
    ),
  )
  if (isAltered) {
    // What it says is whole with another number: it was moved.
    if (trueSequence === sequence - 1) {
      return {
        ...at,
        kind: 'added',
        sequence: trueSequence,
        id: fault.previousId === null ? null : BigInt(fault.previousId),
        finding: `a row was put in front of what was row ${trueSequence}`,
      }
    }
    if (trueSequence === sequence + 1 && !isPredecessorThere) {
      return { ...gone, sequence, finding: `what was row ${trueSequence} was moved into its place` }
    }
    if (trueSequence !== null) {
      return { ...at, kind: 'reordered', finding: `it was written as row ${trueSequence}` }
    }
    return { ...at, kind: 'altered', finding: 'its hash is not that of what it says' }
  }
  // Whole, but not tied to the row before. If the next one is tied to it, the one before is not what it was.
  if (isTiedToNext && sequence > 1) {
    return {
      ...at,
      kind: 'altered',
      sequence: sequence - 1,
      id: fault.previousId === null ? null : BigInt(fault.previousId),
      finding: 'it has the hash of what it says, but not the one that the next row was tied to',
    }
  }
  return { ...at, kind: 'altered', finding: 'it is not tied to the row before' }
}

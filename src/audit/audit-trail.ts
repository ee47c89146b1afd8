import { type SQL, sql } from 'drizzle-orm'
import { toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { found, only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { type AuditAnchor, readAnchor } from './anchor.ts'
import { type AuditTable, CHAINED_TABLES, chainOf, readChains } from './chain-heads.ts'

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

export interface AuditVerification {
  /** True if nothing is wrong. */
  readonly isIntact: boolean
  /** The first fault of each chain that has one, by table, bot and chain. */
  readonly faults: readonly AuditFault[]
  /** What was looked at. */
  readonly chains: number
  readonly rows: number
}

export interface VerifyAuditTrailInput {
  /** Only the chains of this bot; `*` for those of the fleet. All chains if left out. */
  readonly botId?: string | undefined
  /** What `exportAuditAnchor` returned before, kept where whoever owns the database cannot reach it. */
  readonly anchor?: AuditAnchor | undefined
}

/**
 * Reads every audit row, works its hash out again, and returns the first row of each chain that was altered, added, moved or is missing.
 *
 * Without an anchor it finds whatever was done to rows, but not that somebody who owns the database wrote a chain anew from some row on, its end
 * included: that takes an anchor from before. Rows that others write meanwhile do no harm. Cost: all rows, some 20 µs each.
 *
 * @throws `invalid_input` naming `anchor` if it is not what was exported.
 */
export async function verifyAuditTrail(
  db: Database,
  input: VerifyAuditTrailInput = {},
): Promise<AuditVerification> {
  const botId = input.botId === undefined ? null : toName(input.botId, 'botId')
  const anchor = input.anchor === undefined ? undefined : readAnchor(input.anchor)
  const faults = new Map<string, AuditFault>()
  const keep = (fault: AuditFault) => {
    const key = JSON.stringify([fault.botId, fault.chain])
    const known = faults.get(key)
    // Of two findings about one place the later knows more: what the whole chain says, and an anchor.
    if (known === undefined || fault.sequence <= known.sequence) faults.set(key, fault)
  }
  let rows = 0
  for (const table of Object.keys(CHAINED_TABLES) as AuditTable[]) {
    rows += await walk(db, table, botId, keep)
  }
  const chains = await readChains(db, botId)
  for (const { length, hash, lastSequence, lastHash, lastId, ...chain } of chains) {
    const at = { ...chain, table: tableOf(chain.chain), id: lastId }
    if (length > lastSequence) {
      keep({
        ...at,
        kind: 'missing',
        sequence: lastSequence + 1,
        id: null,
        finding: `the chain has ${length} rows, and the table ends with row ${lastSequence}`,
      })
    } else if (length < lastSequence) {
      keep({
        ...at,
        kind: 'added',
        sequence: length + 1,
        id: null,
        finding:
          length === 0
            ? 'nothing is known of such a chain: its rows were added, or its end was removed'
            : `the chain has ${length} rows, and the table ends with row ${lastSequence}`,
      })
    } else if (hash !== lastHash) {
      keep({
        ...at,
        kind: 'altered',
        sequence: length,
        finding: 'the last row is not the one that the chain ends with',
      })
    }
  }
  for (const fault of anchor ? await compareWithAnchor(db, anchor, botId) : []) keep(fault)
  const ordered = [...faults.values()].sort((a, b) => (orderOf(a) < orderOf(b) ? -1 : 1))
  return { isIntact: ordered.length === 0, faults: ordered, chains: chains.length, rows }
}

function orderOf({ table, botId, chain }: AuditFault): string {
  return JSON.stringify([Object.keys(CHAINED_TABLES).indexOf(table), botId, chain])
}

function tableOf(chain: string): AuditTable {
  return chain.split(':')[0] as AuditTable
}

// Rows at a time: a statement stays far below any timeout.
const PAGE = 2_000

/** The first key of a page: what was the last one of the page before. */
interface Place {
  readonly botId: string
  readonly kind: string
  readonly sequence: string
}

interface Page {
  readonly rows: number
  readonly last: Place | null
  readonly faults: readonly FoundFault[]
}

interface FoundFault {
  readonly botId: string
  readonly chain: string
  readonly sequence: number
  readonly id: string
  readonly expectedSequence: number
  readonly isAltered: boolean
  readonly isTiedToNext: boolean
  readonly previousId: string | null
  /** The place at which its hash is right; null if there is none. */
  readonly trueSequence: number | null
  /** Whether the row that it was tied to is still somewhere. */
  readonly isPredecessorThere: boolean
}

/** Walks one table by chain and sequence, and tells the faults. Returns how many rows there are. */
async function walk(
  db: Database,
  table: AuditTable,
  botId: string | null,
  keep: (fault: AuditFault) => void,
): Promise<number> {
  let rows = 0
  let after: Place | null = null
  for (;;) {
    const page: Page = found(
      table,
      only(
        'verifyAuditTrail',
        await pageStatements[table].run(db, {
          botId,
          isFirst: after === null,
          afterBotId: after?.botId ?? null,
          afterKind: after?.kind ?? null,
          afterSequence: after?.sequence ?? null,
          limit: PAGE,
        }),
      ),
    )
    // Each page but the first begins with the last row of the one before, to which its next is tied.
    rows += page.rows - (after === null ? 0 : 1)
    for (const fault of page.faults) keep(judge(table, fault))
    if (page.rows < PAGE || page.last === null) return rows
    after = page.last
  }
}

/** What is wrong with the first row that does not fit. */
function judge(table: AuditTable, found: FoundFault): AuditFault {
  const {
    botId,
    chain,
    sequence,
    expectedSequence,
    isAltered,
    isTiedToNext,
    trueSequence,
    isPredecessorThere,
  } = found
  const at = { table, botId, chain, sequence, id: BigInt(found.id) }
  if (sequence < 1 || sequence < expectedSequence) {
    return { ...at, kind: 'added', finding: `a row says that it is number ${sequence}` }
  }
  const gone = { ...at, kind: 'missing', sequence: expectedSequence, id: null } as const
  if (sequence > expectedSequence) {
    return { ...gone, finding: `the rows from ${expectedSequence} to ${sequence - 1} are gone` }
  }
  if (isAltered) {
    // What it says is whole with another number: it was moved.
    if (trueSequence === sequence - 1) {
      return {
        ...at,
        kind: 'added',
        sequence: trueSequence,
        id: found.previousId === null ? null : BigInt(found.previousId),
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
      id: found.previousId === null ? null : BigInt(found.previousId),
      finding: 'it has the hash of what it says, but not the one that the next row was tied to',
    }
  }
  return { ...at, kind: 'altered', finding: 'it is not tied to the row before' }
}

type PageSlot = 'botId' | 'isFirst' | 'afterBotId' | 'afterKind' | 'afterSequence' | 'limit'

const pageOf = (table: AuditTable): PreparedStatement<Page, PageSlot> =>
  sqlStatement(`verifyAuditTrail: ${table}`, (slot) => {
    const from = sql.raw(`audit.${table}`)
    const kind = sql.raw(CHAINED_TABLES[table] ?? "''")
    const chain = sql.raw(chainOf(table, 'e'))
    const key = CHAINED_TABLES[table] === null ? sql`bot_id, sequence` : sql`bot_id, ${kind}, sequence`
    const place: SQL =
      CHAINED_TABLES[table] === null
        ? sql`${slot('afterBotId')}::text, ${slot('afterSequence')}::bigint`
        : sql`${slot('afterBotId')}::text, ${slot('afterKind')}::text, ${slot('afterSequence')}::bigint`
    return {
      query: sql`
        with page as materialized (
          select e.bot_id, ${chain} as chain, ${kind} as kind, e.sequence, e.id, e.previous_hash, e.hash,
            audit.hash_of(e.previous_hash, e.sequence, audit.content_of(e)) as own_hash
          from ${from} e
          where (${slot('botId')}::text is null or e.bot_id = ${slot('botId')})
            and (${slot('isFirst')}::boolean or (${key}) >= (${place}))
          order by ${key}, e.id limit ${slot('limit')}::int),
        walked as (
          select p.*, lag(p.sequence, 1, 0::bigint) over chained + 1 as expected_sequence,
            lag(p.hash, 1, audit.genesis(p.bot_id, p.chain)) over chained as expected_hash,
            lag(p.id) over chained as previous_id,
            row_number() over (order by p.bot_id, p.kind, p.sequence, p.id) as number
          from page p
          window chained as (partition by p.bot_id, p.kind order by p.sequence, p.id)),
        faults as (
          select distinct on (w.bot_id, w.chain) w.*
          from walked w
          where (w.number > 1 or ${slot('isFirst')}::boolean)
            and (w.sequence <> w.expected_sequence or w.own_hash <> w.hash or w.previous_hash <> w.expected_hash)
          order by w.bot_id, w.chain, w.sequence, w.id)
        select (select count(*)::int from page),
          (select json_build_object('botId', w.bot_id, 'kind', w.kind, 'sequence', w.sequence::text)::text
            from walked w order by w.number desc limit 1),
          (select json_agg(json_build_object('botId', f.bot_id, 'chain', f.chain, 'sequence', f.sequence, 'id', f.id::text,
              'expectedSequence', f.expected_sequence, 'isAltered', f.own_hash <> f.hash, 'isPredecessorThere', exists (
                select from ${from} e where e.bot_id = f.bot_id and e.hash = f.previous_hash),
              'isTiedToNext', exists (
                select from ${from} e where e.bot_id = f.bot_id and ${kind} = f.kind and e.sequence = f.sequence + 1
                  and e.previous_hash = f.hash
                union all select from audit.chains c where c.bot_id = f.bot_id and c.chain = f.chain and c.hash = f.hash),
              'previousId', f.previous_id::text, 'trueSequence', truth.sequence))::text
            from faults f
            left join lateral (
              -- The place at which its hash is right: after the row that it is tied to, wherever that stands now.
              select s.sequence
              from ${from} e
              cross join lateral (
                select before.sequence + 1 as sequence from ${from} before
                where before.bot_id = f.bot_id and before.hash = f.previous_hash
                union select f.sequence - 1 union select f.sequence + 1) s
              where e.bot_id = f.bot_id and e.id = f.id and f.own_hash <> f.hash
                and audit.hash_of(e.previous_hash, s.sequence, audit.content_of(e)) = e.hash
              limit 1) truth on true)`,
      fields: ([rows, last, faults]) => ({
        rows: rows as number,
        last: last === null ? null : (JSON.parse(last as string) as Place),
        faults: faults === null ? [] : (JSON.parse(faults as string) as FoundFault[]),
      }),
    }
  })

const pageStatements: Readonly<Record<AuditTable, PreparedStatement<Page, PageSlot>>> = {
  risk_events: pageOf('risk_events'),
  system_events: pageOf('system_events'),
  decision_history: pageOf('decision_history'),
}

interface AnchoredRow {
  readonly ordinal: number
  readonly hash: string | null
  readonly id: string | null
}

const anchoredStatement: PreparedStatement<AnchoredRow, 'chains'> = sqlStatement(
  'verifyAuditTrail: anchor',
  (slot) => {
    const rowsOf = (table: AuditTable) => sql`
      select a.ordinal, encode(e.hash, 'hex'), e.id::text
      from anchored a
      left join ${sql.raw(`audit.${table}`)} e on e.bot_id = a.chain ->> 'botId' and e.sequence = (a.chain ->> 'length')::bigint
        ${CHAINED_TABLES[table] === null ? sql`` : sql`and e.kind = split_part(a.chain ->> 'chain', ':', 2)`}
      where split_part(a.chain ->> 'chain', ':', 1) = ${sql.raw(`'${table}'`)}`
    return {
      query: sql`
        with anchored as materialized (
          select o.chain, o.ordinal::int from jsonb_array_elements(${slot('chains')}::jsonb) with ordinality as o(chain, ordinal))
        ${sql.join((Object.keys(CHAINED_TABLES) as AuditTable[]).map(rowsOf), sql` union all `)}`,
      fields: ([ordinal, hash, id]) => ({
        ordinal: ordinal as number,
        hash: hash as string | null,
        id: id as string | null,
      }),
    }
  },
)

/** Whether each chain still passes through the row with which it ended when the anchor was made. */
async function compareWithAnchor(
  db: Database,
  anchor: AuditAnchor,
  botId: string | null,
): Promise<AuditFault[]> {
  const chains = anchor.chains.filter((one) => botId === null || one.botId === botId)
  const rows = await anchoredStatement.run(db, { chains: JSON.stringify(chains) })
  return rows.flatMap(({ ordinal, hash, id }): AuditFault[] => {
    const chain = chains[ordinal - 1]
    if (chain === undefined || hash === chain.hash) return []
    const at = {
      table: tableOf(chain.chain),
      botId: chain.botId,
      chain: chain.chain,
      sequence: chain.length,
    }
    if (hash === null || id === null) {
      return [{ ...at, kind: 'missing', id: null, finding: `the anchor of ${anchor.exportedAt} has it` }]
    }
    const finding = `it is not the row that the anchor of ${anchor.exportedAt} has; it or one before was changed`
    return [{ ...at, kind: 'altered', id: BigInt(id), finding }]
  })
}

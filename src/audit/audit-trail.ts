import { type SQL, sql } from 'drizzle-orm'
import { toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { found, only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { type AuditAnchor, readAnchor } from './anchor.ts'
import { type AuditFault, explainFault, type FoundFault } from './audit-fault.ts'
import { type AuditTable, CHAINED_TABLES, chainOf, readChains } from './chain-heads.ts'

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
 * included: that takes an anchor from before. Rows that others write meanwhile do no harm. Cost: all rows, some 10 µs each.
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
  const keyOf = ({ botId, chain }: Pick<AuditFault, 'botId' | 'chain'>) => JSON.stringify([botId, chain])
  const isKnown = (chain: Pick<AuditFault, 'botId' | 'chain'>) => faults.has(keyOf(chain))
  const keep = (fault: AuditFault) => {
    const key = keyOf(fault)
    const known = faults.get(key)
    // Of two findings about one place the later knows more: what the whole chain says, and an anchor.
    if (known === undefined || fault.sequence <= known.sequence) faults.set(key, fault)
  }
  let rows = 0
  for (const table of Object.keys(CHAINED_TABLES) as AuditTable[]) {
    rows += await walk(db, table, botId, isKnown, keep)
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
/** Before the first row of any chain, also of one whose numbers were tampered with. Empty text comes before all other text. */
const LEAST_SEQUENCE = `${-(2n ** 63n)}`

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

/** Walks one table by chain and sequence, and tells the faults. Returns how many rows there are. */
async function walk(
  db: Database,
  table: AuditTable,
  botId: string | null,
  isKnown: (chain: Pick<AuditFault, 'botId' | 'chain'>) => boolean,
  keep: (fault: AuditFault) => void,
): Promise<number> {
  let rows = 0
  let after: Place | null = null
  for (;;) {
    const statement = botId === null ? pageOfAll[table] : pageOfBot[table]
    const page: Page = found(
      table,
      only(
        statement.name,
        await statement.run(db, {
          botId: after?.botId ?? botId ?? '',
          isFirst: after === null,
          afterKind: after?.kind ?? '',
          afterSequence: after?.sequence ?? LEAST_SEQUENCE,
          limit: PAGE,
        }),
      ),
    )
    // Each page but the first begins with the last row of the one before, to which its next is tied.
    rows += page.rows - (after === null ? 0 : 1)
    for (const fault of page.faults) {
      if (!isKnown(fault)) keep(await explainFault(db, table, fault))
    }
    if (page.rows < PAGE || page.last === null) return rows
    after = page.last
  }
}

type PageSlot = 'botId' | 'isFirst' | 'afterKind' | 'afterSequence' | 'limit'

// One of all bots and one of each bot alone: each enters the index where the page begins. Whoever owns a table may let its hashes be null.
const pageOf = (table: AuditTable, isOfBot: boolean): PreparedStatement<Page, PageSlot> =>
  sqlStatement(`verifyAuditTrail: ${table}${isOfBot ? ' of a bot' : ''}`, (slot) => {
    const from = sql.raw(`audit.${table}`)
    const column = CHAINED_TABLES[table]
    const kind = sql.raw(column ?? "''")
    const chain = sql.raw(chainOf(table, 'e'))
    const key: SQL[] = [...(column === null ? [] : [sql.raw(column)]), sql`sequence`]
    const place: SQL[] = [
      ...(column === null ? [] : [sql`${slot('afterKind')}::text`]),
      sql`${slot('afterSequence')}::bigint`,
    ]
    const listed = (parts: SQL[]) => sql.join(parts, sql`, `)
    const begins = isOfBot
      ? sql`e.bot_id = ${slot('botId')} and (${listed(key)}) >= (${listed(place)})`
      : sql`(bot_id, ${listed(key)}) >= (${slot('botId')}::text, ${listed(place)})`
    return {
      query: sql`
        with page as materialized (
          select e.bot_id, ${chain} as chain, ${kind} as kind, e.sequence, e.id, e.previous_hash, e.hash,
            audit.hash_of(e.previous_hash, e.sequence, audit.content_of(e)) as own_hash
          from ${from} e
          where ${begins}
          order by bot_id, ${listed(key)}, e.id limit ${slot('limit')}::int),
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
            and (w.sequence <> w.expected_sequence or w.own_hash is distinct from w.hash
              or w.previous_hash is distinct from w.expected_hash)
          order by w.bot_id, w.chain, w.sequence, w.id)
        select (select count(*)::int from page),
          (select json_build_object('botId', w.bot_id, 'kind', w.kind, 'sequence', w.sequence::text)::text
            from walked w order by w.number desc limit 1),
          (select json_agg(json_build_object('botId', f.bot_id, 'chain', f.chain, 'kind', f.kind, 'sequence', f.sequence,
              'id', f.id::text, 'expectedSequence', f.expected_sequence, 'isAltered', f.hash is null or f.own_hash is distinct from f.hash,
              'previousId', f.previous_id::text))::text
            from faults f)`,
      fields: ([rows, last, faults]) => ({
        rows: rows as number,
        last: last === null ? null : (JSON.parse(last as string) as Place),
        faults: faults === null ? [] : (JSON.parse(faults as string) as FoundFault[]),
      }),
    }
  })

type PageStatements = Readonly<Record<AuditTable, PreparedStatement<Page, PageSlot>>>

const pagesOf = (isOfBot: boolean): PageStatements => ({
  risk_events: pageOf('risk_events', isOfBot),
  system_events: pageOf('system_events', isOfBot),
  decision_history: pageOf('decision_history', isOfBot),
})
const pageOfAll = pagesOf(false)
const pageOfBot = pagesOf(true)

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

import { and, desc, eq, sql } from 'drizzle-orm'
import { toInstant, toOneOf } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { toUuid } from '../db/input.ts'
import { comesAfter, type PageInput, readLimit } from '../db/page.ts'
import { found, many, only } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { toBotId } from '../fleet/bots.ts'
import { type RowDocument, readRow, readRows } from './documents.ts'
import { bundles, SNAPSHOT_REASONS, type SnapshotReason } from './schema/bundles.ts'
import { snapshotIndicators, snapshotMarket } from './schema/market.ts'
import { snapshotAccount, snapshotCalendar, snapshotNews } from './schema/surroundings.ts'

/** One moment, why it was kept, and what is missing of it. */
export type SnapshotBundle = typeof bundles.$inferSelect
type Part<Row> = Omit<Row, 'botId' | 'bundleId'>
export type SnapshotMarket = Part<typeof snapshotMarket.$inferSelect>
export type SnapshotIndicators = Part<typeof snapshotIndicators.$inferSelect>
export type SnapshotCalendarEvent = Part<typeof snapshotCalendar.$inferSelect>
export type SnapshotNews = Part<typeof snapshotNews.$inferSelect>
export type SnapshotAccount = Part<typeof snapshotAccount.$inferSelect>

/** What a bot knew at one moment. */
export interface Snapshot {
  readonly bundle: SnapshotBundle
  /** By symbol and timeframe in the order asked for, as are the indicators. */
  readonly market: readonly SnapshotMarket[]
  readonly indicators: readonly SnapshotIndicators[]
  /** The first event first. */
  readonly calendar: readonly SnapshotCalendarEvent[]
  /** The newest first. */
  readonly news: readonly SnapshotNews[]
  /** By currency. */
  readonly account: readonly SnapshotAccount[]
}

/** What `snapshots.document_of` returns. */
export interface SnapshotDocument {
  readonly bundle: RowDocument
  readonly market: readonly RowDocument[]
  readonly indicators: readonly RowDocument[]
  readonly calendar: readonly RowDocument[]
  readonly news: readonly RowDocument[]
  readonly account: readonly RowDocument[]
}

/** Makes a snapshot of its document. */
export function readDocument(document: SnapshotDocument): Snapshot {
  return {
    bundle: readRow(bundles, document.bundle),
    market: readRows(snapshotMarket, document.market).map(bare),
    indicators: readRows(snapshotIndicators, document.indicators).map(bare),
    calendar: readRows(snapshotCalendar, document.calendar).map(bare),
    news: readRows(snapshotNews, document.news).map(bare),
    account: readRows(snapshotAccount, document.account).map(bare),
  }
}

/** Without what each of them repeats of the bundle. */
function bare<Row extends { readonly botId: string; readonly bundleId: string }>(row: Row): Part<Row> {
  const { botId: _bot, bundleId: _bundle, ...part } = row
  return part
}

export interface GetSnapshotInput {
  readonly botId: string
  readonly id: string
}

const stored: PreparedStatement<{ readonly document: SnapshotDocument | null }, 'botId' | 'id'> =
  sqlStatement('getSnapshot', (slot) => ({
    query: sql`select snapshots.document_of(${slot('botId')}, ${slot('id')}::uuid)`,
    fields: ([document]) => ({
      document: document === null ? null : (JSON.parse(String(document)) as SnapshotDocument),
    }),
  }))

/**
 * Returns a snapshot with all that belongs to it.
 *
 * @throws `not_found` if the bot has no such snapshot.
 * @throws `invalid_input` naming the field.
 */
export async function getSnapshot(db: Database, input: GetSnapshotInput): Promise<Snapshot> {
  const key = { botId: toBotId(input.botId), id: toUuid(input.id, 'id') }
  const document = only('getSnapshot', await stored.run(db, key))?.document ?? undefined
  return readDocument(found(`snapshot '${key.id}' of bot '${key.botId}'`, document))
}

export interface ListSnapshotsInput extends PageInput<Pick<SnapshotBundle, 'capturedAt' | 'id'>> {
  readonly botId: string
  /** Those taken for it. All if left out. */
  readonly reason?: SnapshotReason | undefined
}

/** Returns the snapshots of a bot without what belongs to them, newest first. @throws `invalid_input` naming the field. */
export async function listSnapshots(db: Database, input: ListSnapshotsInput): Promise<SnapshotBundle[]> {
  const { after, reason } = input
  const cursor = after && {
    at: toInstant(after.capturedAt, 'after.capturedAt'),
    id: toUuid(after.id, 'after.id'),
  }
  return many(
    'listSnapshots',
    db
      .select()
      .from(bundles)
      .where(
        and(
          eq(bundles.botId, toBotId(input.botId)),
          reason && eq(bundles.reason, toOneOf(reason, SNAPSHOT_REASONS, 'reason')),
          comesAfter(bundles.capturedAt, bundles.id, cursor),
        ),
      )
      .orderBy(desc(bundles.capturedAt), desc(bundles.id))
      .limit(readLimit(input.limit)),
  )
}

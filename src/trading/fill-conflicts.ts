import { and, desc, eq } from 'drizzle-orm'
import { toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { newId } from '../db/id.ts'
import { comesAfter, type PageInput, readLimit } from '../db/page.ts'
import { many, one } from '../db/rows.ts'
import { hashOf, type RecordFillInput, reportOf } from './fill-input.ts'
import type { Fill } from './ledger-rows.ts'
import { fillConflicts } from './schema/fills.ts'

export type FillConflict = typeof fillConflicts.$inferSelect

/** Keeps a report that contradicts a stored fill. The same report is kept once. */
export async function keepFillConflict(
  db: Database,
  stored: Fill,
  differs: readonly string[],
  input: RecordFillInput,
): Promise<FillConflict> {
  const report = reportOf(input)
  const reportHash = hashOf(Object.entries(report).sort().map(String))
  const key = [
    eq(fillConflicts.botId, stored.botId),
    eq(fillConflicts.fillId, stored.id),
    eq(fillConflicts.reportHash, reportHash),
  ]
  await many(
    'keepFillConflict',
    db
      .insert(fillConflicts)
      .values({
        botId: stored.botId,
        id: newId(),
        fillId: stored.id,
        differs: differs.join(', '),
        report,
        reportHash,
      })
      .onConflictDoNothing({ target: [fillConflicts.botId, fillConflicts.fillId, fillConflicts.reportHash] })
      .returning(),
  )
  return await one(
    'keepFillConflict',
    'the conflict',
    db
      .select()
      .from(fillConflicts)
      .where(and(...key)),
  )
}

export interface ListFillConflictsInput extends PageInput<Pick<FillConflict, 'reportedAt' | 'id'>> {
  readonly botId: string
}

/** Returns the reports that contradict a stored fill, newest first. */
export async function listFillConflicts(
  db: Database,
  input: ListFillConflictsInput,
): Promise<FillConflict[]> {
  const { after } = input
  return await many(
    'listFillConflicts',
    db
      .select()
      .from(fillConflicts)
      .where(
        and(
          eq(fillConflicts.botId, toName(input.botId, 'botId')),
          comesAfter(
            fillConflicts.reportedAt,
            fillConflicts.id,
            after && { at: after.reportedAt, id: after.id },
          ),
        ),
      )
      .orderBy(desc(fillConflicts.reportedAt), desc(fillConflicts.id))
      .limit(readLimit(input.limit)),
  )
}

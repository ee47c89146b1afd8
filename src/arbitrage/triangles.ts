import { and, desc, eq, gte, lt, not } from 'drizzle-orm'
import { toInstant } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { type Amount, toDecimal } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { optional, toUuid } from '../db/input.ts'
import { comesAfter, readLimit } from '../db/page.ts'
import { many, maybeOne } from '../db/rows.ts'
import { toBotId } from '../fleet/bots.ts'
import { toKey } from '../market/record-values.ts'
import type { TimePageInput } from '../market/value-reads.ts'
import { NOW_MS, toRowId } from './opportunities.ts'
import { recordOnce, toDetails, toLegs } from './record-once.ts'
import { triangles } from './schema/findings.ts'
import type { ArbitrageDetails, ArbitrageLeg } from './schema/values.ts'

export type Triangle = typeof triangles.$inferSelect

export interface RecordTriangleInput {
  readonly botId: string
  /** A UUID of the caller's, which makes it safe to repeat. A new one if left out. */
  readonly id?: string | undefined
  /** An exchange or a DEX. */
  readonly exchange: string
  /** Left out at an exchange that is on no chain. */
  readonly chain?: string | undefined
  /** The trades, in their order: three at least. */
  readonly route: readonly ArbitrageLeg[]
  /** What is left over, as a fraction of what it began with, after fees: 0.002 is a fifth of a per cent. Not below −1. */
  readonly profitFraction: Amount
  /** False unless said otherwise. */
  readonly executed?: boolean | undefined
  /** Any JSON, with amounts as decimal text. */
  readonly details?: ArbitrageDetails | undefined
  /** The database's clock if left out. */
  readonly detectedAt?: Date | undefined
}

const ROUTE_LEGS_MIN = 3

/**
 * Stores a triangle and returns it. Safe to repeat with an `id`; reported again as executed, it is executed from then on, and reported again
 * as not executed, it stays so.
 *
 * @throws `conflict` naming the fields if the stored one of this id has other content.
 * @throws `missing_reference` if the bot is not registered.
 * @throws `invalid_input` naming the field, also for a route of fewer than three trades.
 */
export async function recordTriangle(db: Database, input: RecordTriangleInput): Promise<Triangle> {
  const executed = input.executed ?? false
  if (typeof executed !== 'boolean') throw invalid('executed', `is ${typeof executed}, not a boolean`)
  const profitFraction = toDecimal(input.profitFraction, 'profitFraction')
  if (profitFraction.lt(-1)) throw invalid('profitFraction', `${profitFraction.toFixed()} is below -1`)
  const route = toLegs(input.route, 'route', triangles.route)
  if (route.length < ROUTE_LEGS_MIN) {
    throw invalid('route', `has ${route.length} trades, where a triangle has ${ROUTE_LEGS_MIN} at least`)
  }
  const content = {
    exchange: toKey(input.exchange, 'exchange'),
    chain: optional(input.chain, 'chain', toKey),
    route,
    profitFraction,
    details: toDetails(input.details),
  }
  const detectedAt = input.detectedAt === undefined ? undefined : toInstant(input.detectedAt, 'detectedAt')
  const [botId, id] = [toBotId(input.botId), toRowId(input.id)]
  const isThis = and(eq(triangles.botId, botId), eq(triangles.id, id))
  const stored = await recordOnce<Triangle>({
    what: `triangle '${id}'`,
    insert: () =>
      maybeOne(
        'recordTriangle',
        db
          .insert(triangles)
          .values({ botId, id, ...content, executed, detectedAt: detectedAt ?? NOW_MS })
          .onConflictDoNothing()
          .returning(),
      ),
    find: () => maybeOne('recordTriangle: stored', db.select().from(triangles).where(isThis)),
    content: { ...content, detectedAt },
  })
  if (!executed || stored.executed) return stored
  const marked = await maybeOne(
    'recordTriangle: executed',
    db
      .update(triangles)
      .set({ executed })
      .where(and(isThis, not(triangles.executed)))
      .returning(),
  )
  // Somebody else was faster.
  return marked ?? { ...stored, executed }
}

function invalid(field: string, why: string): DataError {
  return new DataError('invalid_input', `${field} ${why}`, { field })
}

/** A span of `detectedAt`. */
export interface ListTrianglesInput extends TimePageInput<Pick<Triangle, 'detectedAt' | 'id'>> {
  readonly botId: string
  readonly exchange?: string | undefined
  /** Only those that were, or were not. Both if left out. */
  readonly executed?: boolean | undefined
}

/** Returns the triangles that a bot saw, newest first. @throws `invalid_input` naming the field. */
export async function listTriangles(db: Database, input: ListTrianglesInput): Promise<Triangle[]> {
  const { exchange, executed, from, until, after } = input
  const { detectedAt, id } = triangles
  return await many(
    'listTriangles',
    db
      .select()
      .from(triangles)
      .where(
        and(
          eq(triangles.botId, toBotId(input.botId)),
          exchange === undefined ? undefined : eq(triangles.exchange, toKey(exchange, 'exchange')),
          executed === undefined ? undefined : eq(triangles.executed, executed),
          from && gte(detectedAt, toInstant(from, 'from')),
          until && lt(detectedAt, toInstant(until, 'until')),
          comesAfter(
            detectedAt,
            id,
            after && {
              at: toInstant(after.detectedAt, 'after.detectedAt'),
              id: toUuid(after.id, 'after.id'),
            },
          ),
        ),
      )
      .orderBy(desc(detectedAt), desc(id))
      .limit(readLimit(input.limit)),
  )
}

import { and, desc, eq, gte, lt } from 'drizzle-orm'
import { toInstant } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { type Amount, toDecimal, toPositive } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { optional, toShare, toUuid } from '../db/input.ts'
import { comesAfter, readLimit } from '../db/page.ts'
import { many, maybeOne } from '../db/rows.ts'
import { toBotId } from '../fleet/bots.ts'
import { toKey } from '../market/record-values.ts'
import type { TimePageInput } from '../market/value-reads.ts'
import { NOW_MS, toRowId } from './opportunities.ts'
import { recordOnce, toDetails, toLegs, toLifetime } from './record-once.ts'
import { flashLoans } from './schema/findings.ts'
import type { ArbitrageDetails, ArbitrageLeg } from './schema/values.ts'

export type FlashLoan = typeof flashLoans.$inferSelect

/** A loan that could be taken. All amounts are in `token`. */
export interface RecordFlashLoanInput {
  readonly botId: string
  /** A UUID of the caller's, which makes it safe to repeat. A new one if left out. */
  readonly id?: string | undefined
  /** Who lends: `aave`, `dydx`, `balancer`, … */
  readonly protocol: string
  readonly chain: string
  readonly token: string
  /** What is borrowed. Positive. */
  readonly amount: Amount
  /** Of `amount`, 0 to 1: 0.0009 is nine hundredths of a per cent. */
  readonly feeFraction: Amount
  /** What is done with it, in its order. */
  readonly path: readonly ArbitrageLeg[]
  /** What the gas is thought to cost. */
  readonly gasEstimate?: Amount | undefined
  /** After the fee and the gas; negative for a loss. */
  readonly estimatedProfit: Amount
  /** What must be there beside the loan. */
  readonly capitalRequired: Amount
  /** How likely it is to go through, 0 to 1. */
  readonly probability?: number | undefined
  /** Any JSON, with amounts as decimal text. */
  readonly details?: ArbitrageDetails | undefined
  /** The database's clock if left out. */
  readonly detectedAt?: Date | undefined
  readonly expiresAt?: Date | undefined
}

/**
 * Stores a flash loan that could be taken and returns it, with its fee. Safe to repeat with an `id`.
 *
 * @throws `conflict` naming the fields if the stored one of this id has other content.
 * @throws `missing_reference` if the bot is not registered.
 * @throws `invalid_input` naming the field.
 */
export async function recordFlashLoan(db: Database, input: RecordFlashLoanInput): Promise<FlashLoan> {
  const { detectedAt, expiresAt } = toLifetime(input.detectedAt, input.expiresAt)
  const feeFraction = toDecimal(input.feeFraction, 'feeFraction')
  if (feeFraction.lt(0) || feeFraction.gt(1)) {
    throw new DataError('invalid_input', `feeFraction ${feeFraction.toFixed()} is not from 0 to 1`, {
      field: 'feeFraction',
    })
  }
  const content = {
    protocol: toKey(input.protocol, 'protocol'),
    chain: toKey(input.chain, 'chain'),
    token: toKey(input.token, 'token'),
    amount: toPositive(input.amount, 'amount'),
    feeFraction,
    path: toLegs(input.path, 'path', flashLoans.path),
    gasEstimate: optional(input.gasEstimate, 'gasEstimate', toDecimal),
    estimatedProfit: toDecimal(input.estimatedProfit, 'estimatedProfit'),
    capitalRequired: toDecimal(input.capitalRequired, 'capitalRequired'),
    probability: optional(input.probability, 'probability', toShare),
    details: toDetails(input.details),
    expiresAt,
  }
  const [botId, id] = [toBotId(input.botId), toRowId(input.id)]
  return await recordOnce<FlashLoan>({
    what: `flash loan '${id}'`,
    insert: () =>
      maybeOne(
        'recordFlashLoan',
        db
          .insert(flashLoans)
          .values({ botId, id, ...content, detectedAt: detectedAt ?? NOW_MS })
          .onConflictDoNothing()
          .returning(),
      ),
    find: () =>
      maybeOne(
        'recordFlashLoan: stored',
        db
          .select()
          .from(flashLoans)
          .where(and(eq(flashLoans.botId, botId), eq(flashLoans.id, id))),
      ),
    isLate: input.id !== undefined && detectedAt === undefined && expiresAt !== null,
    content: { ...content, detectedAt },
  })
}

/** A span of `detectedAt`. */
export interface ListFlashLoansInput extends TimePageInput<Pick<FlashLoan, 'detectedAt' | 'id'>> {
  readonly botId: string
  readonly protocol?: string | undefined
}

/** Returns the flash loans that a bot saw, newest first. @throws `invalid_input` naming the field. */
export async function listFlashLoans(db: Database, input: ListFlashLoansInput): Promise<FlashLoan[]> {
  const { protocol, from, until, after } = input
  const { detectedAt, id } = flashLoans
  return await many(
    'listFlashLoans',
    db
      .select()
      .from(flashLoans)
      .where(
        and(
          eq(flashLoans.botId, toBotId(input.botId)),
          protocol === undefined ? undefined : eq(flashLoans.protocol, toKey(protocol, 'protocol')),
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

import { and, desc, eq } from 'drizzle-orm'
import { toInstant, toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { type Amount, type Decimal, toDecimal } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { newId } from '../db/id.ts'
import { comesAfter, type PageInput, readLimit } from '../db/page.ts'
import { many, maybeOne, one } from '../db/rows.ts'
import { sameAmount } from './ledger.ts'
import { type BalanceKind, balances } from './schema/balances.ts'

/** What an account held in one currency at one moment. */
export type Balance = typeof balances.$inferSelect

/** All amounts are in `currency`; negative ones are real. */
export interface RecordBalanceInput {
  readonly botId: string
  readonly exchange: string
  readonly currency: string
  /** Why it was taken. `periodic` unless given. */
  readonly kind?: BalanceKind
  readonly total: Amount
  readonly available?: Amount
  readonly marginUsed?: Amount
  readonly unrealisedPnl?: Amount
  readonly equity?: Amount
  /** Equity / margin used: 2 is twice the margin. */
  readonly marginLevel?: Amount
  readonly takenAt: Date
}

const AMOUNTS = ['total', 'available', 'marginUsed', 'unrealisedPnl', 'equity', 'marginLevel'] as const

/**
 * Stores what an account held at one moment and returns it. Safe to repeat: bot, exchange, currency, moment and kind are the
 * key.
 *
 * @throws `conflict` if the stored balance of this key has other amounts.
 * @throws `missing_reference` if the bot is not registered.
 * @throws `invalid_input` naming the field that cannot be stored.
 */
export async function recordBalance(db: Database, input: RecordBalanceInput): Promise<Balance> {
  const key = {
    botId: toName(input.botId, 'botId'),
    exchange: toName(input.exchange, 'exchange'),
    currency: toName(input.currency, 'currency'),
    kind: input.kind ?? 'periodic',
    takenAt: toInstant(input.takenAt, 'takenAt'),
  }
  const amount = (field: (typeof AMOUNTS)[number]): Decimal | null => {
    const value = input[field]
    return value === undefined ? null : toDecimal(value, field)
  }
  const row = {
    ...key,
    id: newId(),
    total: toDecimal(input.total, 'total'),
    available: amount('available'),
    marginUsed: amount('marginUsed'),
    unrealisedPnl: amount('unrealisedPnl'),
    equity: amount('equity'),
    marginLevel: amount('marginLevel'),
  }
  const { botId, exchange, currency, kind, takenAt } = balances
  const inserted = await maybeOne(
    'recordBalance',
    db
      .insert(balances)
      .values(row)
      .onConflictDoNothing({ target: [botId, exchange, currency, takenAt, kind] })
      .returning(),
  )
  if (inserted) return inserted
  const name = `balance of ${key.currency} at ${key.takenAt.toISOString()}`
  const stored = await one(
    'recordBalance',
    name,
    db
      .select()
      .from(balances)
      .where(
        and(
          eq(botId, key.botId),
          eq(exchange, key.exchange),
          eq(currency, key.currency),
          eq(takenAt, key.takenAt),
          eq(kind, key.kind),
        ),
      ),
  )
  const differs = AMOUNTS.find((field) => !sameAmount(stored[field], row[field]))
  if (differs) {
    const [before, now] = [stored[differs]?.toFixed() ?? 'none', row[differs]?.toFixed() ?? 'none']
    throw new DataError('conflict', `${name} was already recorded with ${differs} ${before}, not ${now}`, {
      field: differs,
    })
  }
  return stored
}

export interface LatestBalanceInput {
  readonly botId: string
  readonly exchange: string
  readonly currency: string
}

/** Returns the last balance recorded in a currency. @throws `not_found` if there is none. */
export async function getLatestBalance(db: Database, input: LatestBalanceInput): Promise<Balance> {
  const { botId, exchange, currency, takenAt, id } = balances
  return await one(
    'getLatestBalance',
    `balance of bot '${input.botId}' in ${input.currency}`,
    db
      .select()
      .from(balances)
      .where(
        and(
          eq(botId, toName(input.botId, 'botId')),
          eq(exchange, toName(input.exchange, 'exchange')),
          eq(currency, toName(input.currency, 'currency')),
        ),
      )
      .orderBy(desc(takenAt), desc(id))
      .limit(1),
  )
}

export interface ListBalancesInput extends PageInput<Pick<Balance, 'takenAt' | 'id'>> {
  readonly botId: string
}

/** Returns the bot's balances in all currencies, newest first. */
export async function listBalances(db: Database, input: ListBalancesInput): Promise<Balance[]> {
  const { after } = input
  return await many(
    'listBalances',
    db
      .select()
      .from(balances)
      .where(
        and(
          eq(balances.botId, toName(input.botId, 'botId')),
          comesAfter(balances.takenAt, balances.id, after && { at: after.takenAt, id: after.id }),
        ),
      )
      .orderBy(desc(balances.takenAt), desc(balances.id))
      .limit(readLimit(input.limit)),
  )
}

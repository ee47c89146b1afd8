import { and, desc, eq, lt } from 'drizzle-orm'
import { toInstant } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { newId } from '../db/id.ts'
import { type PageInput, readLimit } from '../db/page.ts'
import { found, many, maybeOne, one } from '../db/rows.ts'
import type { HeldSymbol } from '../risk/exposure.ts'
import type { ValueAtRiskMethod } from '../risk/schema/measures.ts'
import { estimateValueAtRisk, readValueAtRisk, type ValueAtRiskOptions } from '../risk/value-at-risk.ts'
import { getPortfolio } from './portfolio.ts'
import { findFleet } from './portfolio-fleet.ts'
import { portfolioSnapshots } from './schema/portfolio.ts'
import type { Fleet } from './scope.ts'

/** What a fleet was worth and held at one moment, and what it might have lost. */
export type PortfolioSnapshot = typeof portfolioSnapshots.$inferSelect

export interface RecordPortfolioSnapshotInput extends ValueAtRiskOptions {
  /** The `live` bots, if they count in one currency, unless given. */
  readonly fleet?: Fleet | undefined
  /** `historical` unless given. */
  readonly method?: ValueAtRiskMethod | undefined
}

/**
 * Stores what a fleet is worth and holds, with the value at risk of the positions of all bots together, and returns it.
 *
 * The figures are those of `getPortfolio`; the value at risk is made as by `calculateValueAtRisk`, of what is held long less what is
 * held short over all bots. There is one snapshot of a fleet for each millisecond, which never changes: asked again for a moment
 * that has one, it returns that one, whatever has changed since. Positions and candles are read one after the other; call it in a
 * `repeatable read` transaction where a fill between the two matters.
 *
 * @throws `not_found` if the fleet has no bot.
 * @throws `invalid_input` naming the field, also if no base currency is given and the bots count in several.
 */
export async function recordPortfolioSnapshot(
  db: Database,
  input: RecordPortfolioSnapshotInput = {},
): Promise<PortfolioSnapshot> {
  const { fleet = {}, method = 'historical' } = input
  const terms = readValueAtRisk(method, input)
  const portfolio = await getPortfolio(db, { fleet, now: input.now })
  const { mode, baseCurrency, at: takenAt, equity, unrealisedPnl, long, short, gross, net } = portfolio
  const botIds = portfolio.bots.map(({ botId }) => botId)
  const risk = found('a bot', await estimateValueAtRisk(db, { botIds, terms, now: takenAt }))
  const isMissing = ({ exchange, symbol }: HeldSymbol) =>
    risk.missing.some((one) => one.exchange === exchange && one.symbol === symbol)
  const recorded = await maybeOne(
    'recordPortfolioSnapshot',
    db
      .insert(portfolioSnapshots)
      .values({
        id: newId(),
        takenAt,
        baseCurrency,
        mode,
        botCount: botIds.length,
        equity,
        unrealisedPnl,
        long,
        short,
        gross,
        net,
        leverage: portfolio.leverage,
        concentration: portfolio.concentration,
        bots: portfolio.bots.map((bot) => ({
          botId: bot.botId,
          equity: bot.equity?.toFixed() ?? null,
          unrealisedPnl: bot.unrealisedPnl?.toFixed() ?? null,
        })),
        symbols: portfolio.symbols.map((held) => ({
          exchange: held.exchange,
          symbol: held.symbol,
          long: held.long.toFixed(),
          short: held.short.toFixed(),
          isAtRisk: !isMissing(held),
        })),
        unpriced: [...portfolio.unpriced],
        valueAtRisk: risk.value,
        valueAtRiskFraction: risk.fraction,
        valueAtRiskMethod: method,
        confidence: terms.confidence,
        horizonDays: terms.horizonDays,
        sampleSize: risk.sampleSize,
        smallSample: risk.smallSample,
      })
      .onConflictDoNothing({
        target: [portfolioSnapshots.mode, portfolioSnapshots.baseCurrency, portfolioSnapshots.takenAt],
      })
      .returning(),
  )
  if (recorded) return recorded
  return await one(
    'recordPortfolioSnapshot',
    'snapshot',
    db
      .select()
      .from(portfolioSnapshots)
      .where(
        and(
          eq(portfolioSnapshots.mode, mode),
          eq(portfolioSnapshots.baseCurrency, baseCurrency),
          eq(portfolioSnapshots.takenAt, takenAt),
        ),
      ),
  )
}

export interface ListPortfolioSnapshotsInput extends PageInput<Pick<PortfolioSnapshot, 'takenAt'>> {
  /** The `live` bots, if they count in one currency, unless given. */
  readonly fleet?: Fleet | undefined
}

/**
 * Returns the snapshots of a fleet, newest first.
 *
 * @throws `not_found` if the fleet has no bot.
 * @throws `invalid_input` if no base currency is given and the bots count in several.
 */
export async function listPortfolioSnapshots(
  db: Database,
  input: ListPortfolioSnapshotsInput = {},
): Promise<PortfolioSnapshot[]> {
  const { fleet = {}, after } = input
  const limit = readLimit(input.limit)
  const { mode, baseCurrency } = await findFleet(db, fleet, 'listPortfolioSnapshots')
  return await many(
    'listPortfolioSnapshots',
    db
      .select()
      .from(portfolioSnapshots)
      .where(
        and(
          eq(portfolioSnapshots.mode, mode),
          eq(portfolioSnapshots.baseCurrency, baseCurrency),
          after && lt(portfolioSnapshots.takenAt, toInstant(after.takenAt, 'after.takenAt')),
        ),
      )
      .orderBy(desc(portfolioSnapshots.takenAt))
      .limit(limit),
  )
}

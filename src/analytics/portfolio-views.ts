import { and, asc, desc, eq, getViewSelectedFields, gt, gte, lt, lte } from 'drizzle-orm'
import type { Database } from '../db/database.ts'
import { type PageInput, readLimit } from '../db/page.ts'
import { many } from '../db/rows.ts'
import { toBotId } from '../fleet/bots.ts'
import { findFleet, readFleet } from './portfolio-fleet.ts'
import { type DayRange, readDayRange } from './ranges.ts'
import { refreshes } from './schema/portfolio.ts'
import { botPerformance, dailyPortfolio } from './schema/views.ts'
import type { Fleet } from './scope.ts'

/** What one bot did, as it was at `refreshedAt`. */
export interface BotPerformance extends Readonly<typeof botPerformance.$inferSelect> {
  readonly refreshedAt: Date
}

/** A day of a fleet, as it was at `refreshedAt`. */
export interface DailyPortfolio extends Readonly<typeof dailyPortfolio.$inferSelect> {
  readonly refreshedAt: Date
}

export interface ListBotPerformanceInput extends PageInput<Pick<BotPerformance, 'botId'>> {
  /** Bots of one mode, `live` unless it says so, and of one currency if it says so. Every bot unless given. */
  readonly fleet?: Fleet | undefined
}

const LIMIT = 1_000

/**
 * Returns the trades of each bot in figures, and its newest stored day, by id: 1,000 bots unless `limit` says otherwise.
 *
 * As of the last `refreshAnalytics`: a bot registered since is not in it. `getPerformance` tells how it is now.
 *
 * @throws `invalid_input` naming the field.
 */
export async function listBotPerformance(
  db: Database,
  input: ListBotPerformanceInput = {},
): Promise<BotPerformance[]> {
  const { fleet, after } = input
  const wanted = fleet && readFleet(fleet)
  return await many(
    'listBotPerformance',
    db
      .select({ ...getViewSelectedFields(botPerformance), refreshedAt: refreshes.refreshedAt })
      .from(botPerformance)
      .innerJoin(refreshes, eq(refreshes.viewName, 'bot_performance'))
      .where(
        and(
          wanted && eq(botPerformance.mode, wanted.mode),
          wanted?.baseCurrency === undefined
            ? undefined
            : eq(botPerformance.baseCurrency, wanted.baseCurrency),
          after && gt(botPerformance.botId, toBotId(after.botId)),
        ),
      )
      .orderBy(asc(botPerformance.botId))
      .limit(readLimit(input.limit ?? LIMIT)),
  )
}

export interface ListDailyPortfolioInput extends PageInput<Pick<DailyPortfolio, 'day'>>, DayRange {
  /** The `live` bots, if they count in one currency, unless given. */
  readonly fleet?: Fleet | undefined
}

/**
 * Returns the days of a fleet, newest first, with growth and drawdown since its first stored day.
 *
 * As of the last `refreshAnalytics`. `getEquityCurve` tells how it is now, and counts growth from the start of a range.
 *
 * @throws `not_found` if the fleet has no bot.
 * @throws `invalid_input` naming the field, also if no base currency is given and the bots count in several.
 */
export async function listDailyPortfolio(
  db: Database,
  input: ListDailyPortfolioInput = {},
): Promise<DailyPortfolio[]> {
  const { fleet = {} } = input
  const { from, to } = readDayRange(input)
  const after = input.after && readDayRange({ to: input.after.day }).to
  const limit = readLimit(input.limit)
  const { mode, baseCurrency } = await findFleet(db, fleet, 'listDailyPortfolio')
  return await many(
    'listDailyPortfolio',
    db
      .select({ ...getViewSelectedFields(dailyPortfolio), refreshedAt: refreshes.refreshedAt })
      .from(dailyPortfolio)
      .innerJoin(refreshes, eq(refreshes.viewName, 'daily_portfolio'))
      .where(
        and(
          eq(dailyPortfolio.mode, mode),
          eq(dailyPortfolio.baseCurrency, baseCurrency),
          from === undefined ? undefined : gte(dailyPortfolio.day, from),
          to === undefined ? undefined : lte(dailyPortfolio.day, to),
          after === undefined ? undefined : lt(dailyPortfolio.day, after),
        ),
      )
      .orderBy(desc(dailyPortfolio.day))
      .limit(limit),
  )
}

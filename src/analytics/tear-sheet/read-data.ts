import { sql } from 'drizzle-orm'
import { toInstant, toName } from '../../db/columns.ts'
import type { Database } from '../../db/database.ts'
import { type PreparedStatement, sqlStatement } from '../../db/statement.ts'
import { getBot } from '../../fleet/bots.ts'
import { getDrawdowns, getEquityCurve } from '../equity-curve.ts'
import { getPerformance } from '../performance.ts'
import { type Members, readMembers } from '../performance-days.ts'
import { type DayRange, readDayRange } from '../ranges.ts'
import { dailyPnl } from '../schema/daily-pnl.ts'
import type { Scope } from '../scope.ts'
import type { TearSheetData } from './data.ts'
import { decimalsFor } from './format.ts'

export type TearSheetInput = Scope &
  DayRange & {
    /** What stands at the top. The name of the bot, or which fleet it is, unless given. */
    readonly title?: string | undefined
    /** When the sheet is made, which it says, and until when the day in progress has lasted. Now, unless given. */
    readonly now?: Date | undefined
  }

/** How many drawdowns are listed. */
const WORST_DRAWDOWNS = 10

/**
 * Reads all that a sheet shows.
 *
 * @throws as `renderTearSheet` does.
 */
export async function readTearSheetData(db: Database, input: TearSheetInput): Promise<TearSheetData> {
  const range = readDayRange(input)
  const madeAt = input.now === undefined ? new Date() : toInstant(input.now, 'now')
  const title = input.title === undefined ? undefined : toName(input.title, 'title')
  const scope: Scope = input.fleet === undefined ? { botId: input.botId } : { fleet: input.fleet }
  const members = await readMembers(db, scope)
  const subject = await describe(db, members)
  const { startsAt, endsAt } = await readBounds(db, members, range)
  const period = { from: startsAt ?? undefined, to: endsAt ?? undefined }
  const performance = await getPerformance(db, { ...scope, ...period, by: 'symbol', now: madeAt })
  const points = await getEquityCurve(db, { ...scope, ...range })
  const drawdowns = await getDrawdowns(db, { ...scope, ...range, limit: WORST_DRAWDOWNS })
  const nets = await readNets(db, members, { startsAt, endsAt, madeAt })
  const { startEquity, endEquity } = performance.returns
  const equities = [startEquity, endEquity].filter((equity) => equity !== null && !equity.isZero())
  return {
    title: title ?? subject.title,
    facts: subject.facts,
    baseCurrency: performance.baseCurrency,
    from: range.from ?? null,
    to: range.to ?? null,
    performance,
    points,
    drawdowns,
    nets,
    decimals: decimalsFor(equities.length > 0 ? equities : [performance.grossProfit, performance.grossLoss]),
    madeAt,
  }
}

async function describe(db: Database, members: Members): Promise<Pick<TearSheetData, 'title' | 'facts'>> {
  const { botIds, fleet, baseCurrency } = members
  if (fleet) {
    return {
      title: `Fleet of ${fleet.mode} bots in ${baseCurrency}`,
      facts: [
        { name: 'Mode', value: fleet.mode },
        { name: 'Bots', value: String(botIds.length) },
      ],
    }
  }
  const bot = await getBot(db, { botId: botIds[0] ?? '' })
  return {
    title: bot.name,
    facts: [
      { name: 'Bot', value: bot.botId },
      { name: 'Strategy', value: bot.strategy },
      { name: 'Exchange', value: bot.exchange },
      { name: 'Mode', value: bot.mode },
      { name: 'Time zone', value: bot.timeZone },
    ],
  }
}

interface Bounds {
  readonly startsAt: Date | null
  readonly endsAt: Date | null
}

// Of bots in several zones, from where the first day begins first to where the last one ends last.
const boundsStatement: PreparedStatement<Bounds, 'botIds' | 'from' | 'to'> = sqlStatement(
  'renderTearSheet',
  (slot) => ({
    query: sql`
      select min(analytics.day_start(${slot('from')}::date, b.time_zone)),
        max(analytics.day_start(${slot('to')}::date + 1, b.time_zone))
      from fleet.bots b where b.bot_id = any(${slot('botIds')}::text[])`,
    fields: { startsAt: dailyPnl.startsAt, endsAt: dailyPnl.endsAt },
  }),
)

async function readBounds(db: Database, { botIds }: Members, { from, to }: DayRange): Promise<Bounds> {
  const rows = await boundsStatement.run(db, { botIds, from: from ?? null, to: to ?? null })
  return rows[0] ?? { startsAt: null, endsAt: null }
}

// As doubles: they are counted in bins and shown nowhere.
const netsStatement: PreparedStatement<{ net: number }, 'botIds' | 'startsAt' | 'endsAt' | 'madeAt'> =
  sqlStatement('renderTearSheet', (slot) => ({
    query: sql`
      select t.net::float8
      from analytics.trades_of(${slot('botIds')}::text[], ${slot('startsAt')}::timestamptz,
        ${slot('endsAt')}::timestamptz, ${slot('madeAt')}::timestamptz) t
      where t.net is not null`,
    fields: { net: sql<number>`net` },
  }))

async function readNets(
  db: Database,
  { botIds }: Members,
  { startsAt, endsAt, madeAt }: Bounds & { readonly madeAt: Date },
): Promise<number[]> {
  const rows = await netsStatement.run(db, {
    botIds,
    startsAt: startsAt?.toISOString() ?? null,
    endsAt: endsAt?.toISOString() ?? null,
    madeAt: madeAt.toISOString(),
  })
  return rows.map(({ net }) => net)
}

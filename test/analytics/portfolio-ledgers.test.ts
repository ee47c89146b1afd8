import { sql } from 'drizzle-orm'
import fc from 'fast-check'
import { beforeAll, expect, it } from 'vitest'
import { getPortfolio } from '../../src/analytics/portfolio.ts'
import type { Connection } from '../../src/db/database.ts'
import { setRiskSettings } from '../../src/risk/settings.ts'
import { recordCashFlow } from '../../src/trading/index.ts'
import { describeDatabases } from '../database.ts'
import { arbitraryDaily } from '../model/daily-arbitrary.ts'
import { recordDaily } from '../model/daily-record.ts'
import { query } from '../trading/ledger-fixture.ts'
import { fresh, listSymbol, makeMember, minutesBefore, NOW, trade } from './portfolio-fixture.ts'

const RUNS = { postgres: 25, pg: 0, pglite: 5 } as const

describeDatabases('what many bots are worth by their ledgers', (open) => {
  let db: Connection
  let known = 0
  beforeAll(async () => {
    db = await open()
    // So that most of what the random ledgers need has a price.
    await setRiskSettings(db, {
      tradingEnabled: true,
      maxPriceAgeMs: 20 * 86_400_000,
      changedBy: 'tests',
      reason: 'tests',
    })
  })

  /** Of each bot what its own ledger says, and what that of all of them together says. */
  async function compare(botIds: readonly string[], at: Date): Promise<void> {
    const ids = sql`(select array_agg(value) from jsonb_array_elements_text(${JSON.stringify(botIds)}::jsonb))`
    const moment = sql`${at.toISOString()}::timestamptz`
    const alone = await query(
      db,
      sql`select bot_id, e.equity::text from unnest(${ids}) bot_id
        cross join lateral risk.ages_of(bot_id) a
        cross join lateral risk.ledger_equity(bot_id, ${moment}, a.price_age) e order by bot_id`,
    )
    const together = await query(
      db,
      sql`select bot_id, trim_scale(equity)::text as equity from risk.ledger_equities_of(${ids}, ${moment}) order by bot_id`,
    )
    const trimmed = await query(
      db,
      sql`select value ->> 'bot_id' as bot_id, trim_scale((value ->> 'equity')::numeric)::text as equity
        from jsonb_array_elements(${JSON.stringify(alone)}::jsonb) order by 1`,
    )
    expect(together).toEqual(trimmed)
    expect(together).toHaveLength(botIds.length)
    known += together.filter(({ equity }) => equity !== null).length
  }

  it('is what each is worth by its own, whatever it did', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(arbitraryDaily(), { minLength: 1, maxLength: 4 }), async (all) => {
        const botIds = all.map(() => fresh('ledger-'))
        for (const [i, facts] of all.entries()) await recordDaily(db, botIds[i] ?? '', facts)
        for (const { now } of all) await compare(botIds, new Date(now))
      }),
      { numRuns: RUNS[open.engine], interruptAfterTimeLimit: 9_000, markInterruptAsFailure: false },
    )
    // About a third of them; of the rest something has no price.
    expect(known).toBeGreaterThan(0)
  })

  it('is in the currency of each, and as old as the prices of each may be', async () => {
    const [usd, eur] = [fresh('USD'), fresh('EUR')]
    const pair = `${eur}/${usd}`
    const symbol = fresh('S')
    await listSymbol(db, symbol, usd)
    await listSymbol(db, pair, usd, { kind: 'spot', baseCurrency: eur })
    for (const [name, price] of [
      [symbol, '100'],
      [pair, '1.25'],
    ] as const) {
      await query(
        db,
        sql`insert into market.series (exchange, symbol, timeframe, last_close, last_price_at)
          values ('x', ${name}, '1m', ${price}::numeric, ${minutesBefore(30).toISOString()}::timestamptz)`,
      )
    }
    const botIds = [await makeMember(db, usd), await makeMember(db, eur), await makeMember(db, eur)]
    for (const botId of botIds) {
      await trade(db, botId, symbol, 'buy 2 @ 90', { fee: '1', feeCurrency: eur })
      await trade(db, botId, symbol, 'sell 1 @ 95', { executedAt: minutesBefore(90) })
      await recordCashFlow(db, {
        botId,
        exchange: 'x',
        kind: 'deposit',
        currency: eur,
        amount: '40',
        exchangeFlowId: fresh('f'),
        occurredAt: minutesBefore(60),
      })
    }
    const [, , strict = ''] = botIds
    await setRiskSettings(db, {
      botId: strict,
      maxPriceAgeMs: 60_000,
      changedBy: 'tests',
      reason: 'tests',
    })
    await compare(botIds, NOW)
    // 5 won, 10 to win, 40 deposited less a fee of 1: 1000 + 15 + 39·1.25 in the one, and 1000 + 15/1.25 + 39 in the other. The third
    // thinks a price of half an hour ago too old.
    const worth = async (baseCurrency: string) =>
      (await getPortfolio(db, { fleet: { baseCurrency }, now: NOW })).bots.map(
        ({ equity }) => equity?.toFixed() ?? null,
      )
    expect(await worth(usd)).toEqual(['1063.75'])
    expect(await worth(eur)).toEqual(['1051', null])
  })

  it('is what a bot began with where it has done nothing, and of no bots nothing', async () => {
    const idle = await makeMember(db, fresh('USD'))
    await compare([idle], NOW)
    expect(
      await query(db, sql`select * from risk.ledger_equities_of('{}', ${NOW.toISOString()}::timestamptz)`),
    ).toEqual([])
  })

  it('does not know a currency without a rate, also where what came of it adds up to nothing', async () => {
    const currency = fresh('USD')
    const symbol = fresh('S')
    const settle = fresh('EUR')
    await listSymbol(db, symbol, settle)
    const botId = await makeMember(db, currency)
    await trade(db, botId, symbol, 'buy 1 @ 90')
    await trade(db, botId, symbol, 'sell 1 @ 100', { executedAt: minutesBefore(90) })
    await recordCashFlow(db, {
      botId,
      exchange: 'x',
      kind: 'withdrawal',
      currency: settle,
      amount: '-10',
      exchangeFlowId: 'out',
      occurredAt: minutesBefore(60),
    })
    await compare([botId], NOW)
    const [bot] = (await getPortfolio(db, { fleet: { baseCurrency: currency }, now: NOW })).bots
    expect(bot?.equity).toBeNull()
  })
})

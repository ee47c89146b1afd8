import { sql } from 'drizzle-orm'
import { expect, it } from 'vitest'
import { getPerformance } from '../../src/analytics/performance.ts'
import type { Connection } from '../../src/db/database.ts'
import { transaction } from '../../src/db/transaction.ts'
import { describeDatabases } from '../database.ts'
import { planOf } from '../market/plan.ts'
import { query } from '../trading/ledger-fixture.ts'
import { makeTrader } from './performance-fixture.ts'

describeDatabases('performance among many trades', (open) => {
  it('is read in the order of an index, without sorting all, and looks up no rate', async () => {
    const db = await open()
    const bots = [await makeTrader(db), await makeTrader(db)]
    for (const { botId, exchange } of bots) {
      await query(
        db,
        sql`insert into trading.positions (bot_id, id, exchange, symbol, position_side, trade_id, direction, status, instrument_kind,
            contract_size, settle_currency, quantity, cost, peak_quantity, entry_quantity, entry_cost, exit_quantity, exit_value,
            realised_gross, fees, unvalued_fees, funding, fill_count, lot_count, opened_at, closed_at, version)
          select ${botId}, gen_random_uuid(), ${exchange}, 'COIN', 'net', 'trade-' || n, 'long', 'closed', 'linear', 1, 'USD', 0, 0, 1, 1, 1, 1, 1,
            n % 5, 1, '{}', 0, 2, 0, timestamptz '2024-01-01' + n * interval '1 minute', timestamptz '2024-01-02' + n * interval '1 minute', 1
          from generate_series(1, 4000) n`,
      )
    }
    await query(db, sql`analyze trading.positions`)
    await query(db, sql`analyze fleet.bots`)
    const [bot] = bots
    const botId = bot?.botId ?? ''
    const plan = await transaction(db, async (tx) => {
      // Of so few, a planner may read all and sort; that it need not is what is asked here.
      await query(tx, sql`set local enable_sort = off`)
      return await planOf(tx as Connection, (spied) => getPerformance(spied, { botId }))
    })
    expect(plan).toContain('positions_closed_at_idx')
    // Only what was closed in one instant is sorted.
    expect(plan).toContain('Presorted Key: p.closed_at')
    expect(plan).not.toMatch(/-> +Sort\b|Function Scan|Seq Scan on positions/)
    // The rates are there to be asked for, each only when a trade needs one.
    expect(plan).toContain('InitPlan')
    // Gains of −1 to 3: a win for each of 1, 2 and 3, which is three in five.
    const { winRate, tradeCount } = await getPerformance(db, { botId })
    expect([winRate, tradeCount]).toEqual([0.6, 4000])
  })
})

import { parse } from 'csv-parse/sync'
import { sql } from 'drizzle-orm'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import { exportTaxLots } from '../../src/analytics/export.ts'
import { listTaxLots } from '../../src/analytics/tax-lots.ts'
import type { Connection } from '../../src/db/database.ts'
import { Decimal, ZERO } from '../../src/db/decimal.ts'
import { type RecordFillInput, recordFills } from '../../src/trading/index.ts'
import { describeEngines, type Open } from '../database.ts'
import { arbitraryLedger } from '../model/arbitrary-ledger.ts'
import { type ModelFacts, type ModelFill, replayModel } from '../model/ledger-model.ts'
import { Rational } from '../model/rational.ts'
import { hasSharedData, readSharedJson, SKIP_REASON } from '../shared-data.ts'
import { EXCHANGE, makeBot, makeInstrument, query } from '../trading/ledger-fixture.ts'
import { readTransactions } from '../trading/recordings.ts'

// What an engine does to it is tested with single lots.
describeEngines('all tax lots together', suite, ['postgres'])

function suite(open: Open): void {
  let db: Connection
  let runs = 0
  beforeAll(async () => {
    db = await open()
  })

  it('gains in all what the ledger realised less its fees, to the last digit, once all is closed', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryLedger({ maxFills: 16 }), async (drawn) => {
        const facts = closeAll(drawn)
        runs += 1
        const [botId, symbol] = [`lots-${runs}`, `S${runs}`]
        await makeBot(db, botId, facts.method)
        await makeInstrument(db, symbol, facts.instrument)
        await recordFills(
          db,
          facts.fills.map((fill) => inputOf(fill, botId, symbol)),
        )
        const lots = await listTaxLots(db, { botId, limit: 1_000 })
        const { cycles, totalGross } = replayModel(facts)
        expect(cycles.filter((cycle) => cycle.status === 'open')).toEqual([])
        const sum = (amounts: (Decimal | null)[]) =>
          amounts.reduce<Decimal>((total, amount) => total.plus(amount ?? ZERO), ZERO)
        expect(sum(lots.map((lot) => lot.proceeds.minus(lot.cost))).toFixed()).toBe(totalGross)

        const [stored] = await query(
          db,
          sql`select coalesce(sum(realised_gross - fees), 0)::text as net, coalesce(sum(entry_quantity), 0)::text as quantity,
              coalesce(bool_and(unvalued_fees = '{}'), true) as valued
            from trading.positions where bot_id = ${botId}`,
        )
        expect(sum(lots.map((lot) => lot.quantity)).toFixed()).toBe(
          new Decimal(String(stored?.quantity)).toFixed(),
        )
        expect(lots.every((lot) => lot.gain !== null)).toBe(stored?.valued)
        for (const lot of lots) {
          expect(lot.gain?.toFixed()).toBe(
            lot.fees ? lot.proceeds.minus(lot.cost).minus(lot.fees).toFixed() : undefined,
          )
        }
        if (stored?.valued) {
          expect(sum(lots.map((lot) => lot.gain)).toFixed()).toBe(new Decimal(String(stored.net)).toFixed())
        }
      }),
      { numRuns: 60, interruptAfterTimeLimit: 20_000, markInterruptAsFailure: false },
    )
  })

  describe.skipIf(!hasSharedData)(
    hasSharedData ? '9,367 real executions' : `9,367 real executions (skipped: ${SKIP_REASON})`,
    () => {
      const KEYS = { average: 'realized_avg_cost', fifo: 'realized_fifo', lifo: 'realized_lifo' } as const

      it.each(['average', 'fifo', 'lifo'] as const)(
        'gain by %s what was computed elsewhere',
        async (method) => {
          runs += 1
          const botId = `lots-${runs}`
          await makeBot(db, botId, method)
          const inputs = readTransactions(EXCHANGE).map((each) => ({ ...each, botId }))
          for (const symbol of new Set(inputs.map((each) => each.symbol))) {
            await makeInstrument(db, symbol, { baseCurrency: 'SHARE' })
          }
          await recordFills(db, inputs)
          let csv = ''
          for await (const piece of exportTaxLots(db, { botId, format: 'csv' })) csv += piece
          const rows = parse<Record<string, string>>(csv, { columns: true })
          const gains = new Map<string, Rational>()
          for (const { symbol = '', gain = '' } of rows) {
            gains.set(symbol, (gains.get(symbol) ?? Rational.parse('0')).add(Rational.parse(gain)))
          }
          const { symbols } = readSharedJson<{ symbols: Record<string, Record<string, string>> }>(
            'expected/realized-pnl.json',
          )
          expect(Object.keys(symbols)).toHaveLength(3)
          for (const [symbol, expected] of Object.entries(symbols)) {
            const known = Rational.parse(expected[KEYS[method]] ?? '')
            const gain = gains.get(symbol) ?? Rational.parse('0')
            // Averages are rounded to 21 decimals there, to 40 here.
            if (method === 'average') {
              expect(gain.sub(known).abs().compare(Rational.parse('0.000000000001')), symbol).toBe(-1)
            } else expect(gain.toText(), symbol).toBe(known.toText())
          }
        },
      )
    },
  )

  it('carries lots from one page of fills to the next', async () => {
    const botId = 'lots-pages'
    await makeBot(db, botId, 'fifo')
    await makeInstrument(db, 'BTC')
    // Buys 1 at n and sells it 7,000 fills later at n + 3: a page has 5,000.
    await query(
      db,
      sql`insert into trading.fills (bot_id, id, exchange, symbol, side, exchange_trade_id, position_side, kind, price,
          quantity, fee, fee_currency, executed_at, sequence, realised_gross, excess_quantity)
        select ${botId}, gen_random_uuid(), ${EXCHANGE}, 'BTC', case when n <= 7000 then 'buy' else 'sell' end, n::text, 'net',
          'trade', case when n <= 7000 then n else n - 7000 + 3 end, 1, 0.25, 'USD',
          timestamptz '2024-01-01Z' + n / 3 * interval '1 second', n, 0, 0 from generate_series(1, 14000) n`,
    )
    await query(
      db,
      sql`insert into trading.ledger_heads (bot_id, exchange, symbol, position_side, version, last_executed_at,
          last_sequence, last_exchange_trade_id, last_side)
        values (${botId}, ${EXCHANGE}, 'BTC', 'net', 1, '2024-01-02Z', 14000, '14000', 'sell')`,
    )
    let [count, gain] = [0, ZERO]
    for await (const piece of exportTaxLots(db, { botId, format: 'json' })) {
      for (const line of piece.split('\n').filter((line) => line.startsWith('{'))) {
        const lot = JSON.parse(line.replace(/,$/, ''))
        count += 1
        expect([lot.ordinal, lot.cost, lot.proceeds]).toEqual([count, String(count), String(count + 3)])
        gain = gain.plus(lot.gain)
      }
    }
    // 3 each, less twice 0.25.
    expect([count, gain.toFixed()]).toEqual([7_000, '17500'])
  })
}

function inputOf(fill: ModelFill, botId: string, symbol: string): RecordFillInput {
  const { executedAt, liquidation, feeInSettlement, ...rest } = fill
  return {
    ...rest,
    botId,
    exchange: EXCHANGE,
    symbol,
    executedAt: new Date(executedAt),
    kind: liquidation ? 'liquidation' : 'trade',
    feeInSettlement: feeInSettlement ?? undefined,
  }
}

/** The ledger with one more fill, if it needs one, after which nothing is held. */
function closeAll(facts: ModelFacts): ModelFacts {
  const [first] = facts.fills
  const [last] = replayModel(facts).cycles.filter((cycle) => cycle.status === 'open')
  if (!first || !last) return facts
  const close: ModelFill = {
    ...first,
    exchangeTradeId: 'the-last-of-all',
    side: last.direction === 'long' ? 'sell' : 'buy',
    price: '3',
    quantity: last.quantity,
    fee: '0.07',
    feeCurrency: facts.instrument.settleCurrency,
    feeInSettlement: null,
    executedAt: Math.max(...facts.fills.map((fill) => fill.executedAt)) + 1,
    liquidation: false,
  }
  // Its fee is in settlement currency: one in coins would leave some of them.
  return { ...facts, fills: [...facts.fills, close] }
}

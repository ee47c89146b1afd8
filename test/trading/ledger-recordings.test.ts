import { sql } from 'drizzle-orm'
import fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { Decimal } from '../../src/db/decimal.ts'
import {
  type Fill,
  listFillGaps,
  listFills,
  listRoundTrips,
  listTrades,
  type Position,
  type RecordFillInput,
  recordCashFlows,
  recordFill,
  recordFills,
  type Trade,
} from '../../src/trading/index.ts'
import { describeEngines, type Open } from '../database.ts'
import { Rational } from '../model/rational.ts'
import { hasSharedData, readSharedJson, SKIP_REASON } from '../shared-data.ts'
import { EXCHANGE, fillOf, makeBot, makeInstrument, query, readBot, text } from './ledger-fixture.ts'
import { expectReplay } from './ledger-model-check.ts'
import { readHyperliquidFills, readHyperliquidFunding, readTransactions } from './recordings.ts'

const METHODS = ['average', 'fifo', 'lifo'] as const
const EXPECTED_KEYS = { average: 'realized_avg_cost', fifo: 'realized_fifo', lifo: 'realized_lifo' } as const

function describeRecorded(name: string, body: () => void): void {
  describe.skipIf(!hasSharedData)(hasSharedData ? name : `${name} (skipped: ${SKIP_REASON})`, body)
}

const exact = (amount: string) => Rational.parse(amount)

describeEngines('recordings', suite, ['postgres', 'pglite'])

function suite(open: Open): void {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  describeRecorded('9,367 real executions', () => {
    interface Expected {
      readonly symbols: Record<string, Record<string, string>>
    }

    it.each(METHODS)(
      'realise by %s what was computed elsewhere, and the identity is exact',
      async (method) => {
        const botId = `equity-${method}`
        const transactions = readTransactions(EXCHANGE)
        await makeBot(db, botId, method)
        for (const symbol of new Set(transactions.map((each) => each.symbol))) {
          await makeInstrument(db, symbol, { baseCurrency: 'SHARE' })
        }
        const inputs = transactions.map((each) => ({ ...each, botId }))
        expect(await recordFills(db, inputs)).toEqual({ inserted: 9_367, duplicates: 0, conflicts: [] })

        const rows = await query(
          db,
          sql`select f.symbol, sum(f.realised_gross)::text as realised,
            sum(f.price * f.quantity * case f.side when 'sell' then 1 else -1 end)::text as flow,
            (select coalesce(sum(p.cost * case p.direction when 'long' then 1 else -1 end), 0)::text
              from trading.positions p where p.bot_id = f.bot_id and p.symbol = f.symbol) as open_cost
          from trading.fills f where f.bot_id = ${botId} group by f.bot_id, f.symbol`,
        )
        expect(rows).toHaveLength(7)
        const realised = new Map<unknown, Rational>()
        for (const row of rows) {
          const [gross, flow, cost] = [row.realised, row.flow, row.open_cost].map((sum) => exact(String(sum)))
          if (!gross || !flow || !cost) throw new Error('a sum is missing')
          expect(gross.toText(), String(row.symbol)).toBe(flow.add(cost).toText())
          realised.set(row.symbol, gross)
        }
        const { symbols } = readSharedJson<Expected>('expected/realized-pnl.json')
        expect(Object.keys(symbols)).toHaveLength(3)
        for (const [symbol, expected] of Object.entries(symbols)) {
          const known = exact(expected[EXPECTED_KEYS[method]] ?? '')
          const gross = realised.get(symbol)
          if (method === 'average') {
            expect(gross?.sub(known).abs().compare(exact('0.000000000001')), symbol).toBe(-1)
          } else expect(gross?.toText(), symbol).toBe(known.toText())
        }
      },
    )
  })

  describeRecorded('500 real fills', () => {
    async function makeOwner(botId: string): Promise<RecordFillInput[]> {
      await makeBot(db, botId)
      const fills = readHyperliquidFills(EXCHANGE)
      for (const symbol of new Set(fills.map((fill) => fill.symbol))) {
        await makeInstrument(db, symbol, { baseCurrency: symbol, quoteCurrency: 'USDC' })
      }
      return fills.map((fill) => ({ ...fill, botId }))
    }

    it('are 500 once, 500 duplicates again, and show the 167 places where history is missing', async () => {
      const inputs = await makeOwner('feed')
      expect(inputs).toHaveLength(500)
      expect(await recordFills(db, inputs)).toEqual({ inserted: 500, duplicates: 0, conflicts: [] })
      const before = await readBot(db, 'feed')
      expect(await recordFills(db, inputs)).toEqual({ inserted: 0, duplicates: 500, conflicts: [] })
      expect(await readBot(db, 'feed')).toEqual(before)
      await expectReplay(db, 'feed')

      const gaps = await listFillGaps(db, { botId: 'feed', limit: 1_000 })
      expect(gaps).toHaveLength(167)
      const places = gapsOf(inputs)
      expect(places).toHaveLength(167)
      expect(
        gaps.map((gap) => `${gap.symbol} ${gap.executedAt.getTime()} ${text(gap.missingQuantity)}`).sort(),
      ).toEqual(places.sort())
      const pages: typeof gaps = []
      for (let page = gaps; page.length > 0; ) {
        page = await listFillGaps(db, { botId: 'feed', limit: 50, after: pages.at(-1) })
        pages.push(...page)
      }
      expect(pages).toEqual(gaps)
    })

    it.each([1, 2, 3])('give the same in any order of arrival (seed %i)', async (seed) => {
      const botId = `shuffled-${seed}`
      const inputs = await makeOwner(botId)
      const [shuffled = []] = fc.sample(
        fc.shuffledSubarray(inputs, { minLength: inputs.length, maxLength: inputs.length }),
        { seed, numRuns: 1 },
      )
      expect(shuffled).not.toEqual(inputs)
      // One by one for the first seed, together for the others: so many at a time.
      const size = [1, 7, 60][seed - 1] ?? 1
      for (let from = 0; from < shuffled.length; from += size) {
        const part = shuffled.slice(from, from + size)
        if (part[0] && size === 1) await recordFill(db, part[0])
        else expect(await recordFills(db, part)).toMatchObject({ inserted: part.length, duplicates: 0 })
      }
      await makeOwner('ordered')
      await recordFills(
        db,
        inputs.map((fill) => ({ ...fill, botId: 'ordered' })),
      )
      const [ours, theirs] = [await readBot(db, botId), await readBot(db, 'ordered')]
      expect(theirs.fills).toHaveLength(500)
      expect(sorted(ours.positions.map(withoutIds))).toEqual(sorted(theirs.positions.map(withoutIds)))
      expect(sorted(ours.trades.map(withoutIds))).toEqual(sorted(theirs.trades.map(withoutIds)))
      expect(sorted(ours.fills.map(withoutIds))).toEqual(sorted(theirs.fills.map(withoutIds)))
      await expectReplay(db, botId)
    })
  })

  describeRecorded('218 real funding payments', () => {
    it('are 218 rows at 16 instants, and 218 duplicates again', async () => {
      await makeBot(db, 'funded')
      const inputs = readHyperliquidFunding(EXCHANGE).map((flow) => ({ ...flow, botId: 'funded' }))
      for (const symbol of new Set(inputs.map((flow) => flow.symbol ?? ''))) {
        await makeInstrument(db, symbol, { baseCurrency: symbol, quoteCurrency: 'USDC' })
      }
      expect(await recordCashFlows(db, inputs)).toEqual({ inserted: 218, duplicates: 0, conflicts: [] })
      expect(await recordCashFlows(db, inputs)).toEqual({ inserted: 0, duplicates: 218, conflicts: [] })
      const [row] = await query(
        db,
        sql`select count(*)::int as rows, count(distinct occurred_at)::int as instants, sum(amount)::text as paid
          from trading.cash_flows where bot_id = 'funded'`,
      )
      const paid = Rational.sum(inputs.map(({ amount }) => exact(String(amount))))
      expect({ ...row, paid: exact(String(row?.paid)).toText() }).toEqual({
        rows: 218,
        instants: 16,
        paid: paid.toText(),
      })
      await expectReplay(db, 'funded')
    })
  })

  describeRecorded('round trips computed elsewhere', () => {
    interface Trip {
      readonly dir: string
      readonly qty: string
      readonly entry: string
      readonly exit: string
      readonly pnl: string
    }
    interface Scenario {
      readonly name: string
      readonly fills: readonly [number, string, string, string, number][]
      readonly expected: Record<string, readonly Trip[]>
    }

    it.each(['fifo', 'lifo'] as const)(
      'are the stored trades from flat to flat, and by %s from fill to fill',
      async (method) => {
        const { scenarios } = readSharedJson<{ scenarios: Scenario[] }>('expected/round-trips.json')
        expect(scenarios).toHaveLength(3)
        for (const { name, fills, expected } of scenarios) {
          const botId = `${name}-${method}`
          await makeBot(db, botId, method)
          await makeInstrument(db, 'EURUSD', { baseCurrency: 'EUR' })
          const inputs = fills.map(([order, side, quantity, price, at]) =>
            fillOf(botId, 'EURUSD', `${side} ${quantity} @ ${price}`, at, {
              exchangeTradeId: String(order),
              fee: '1',
              feeCurrency: 'USD',
            }),
          )
          await recordFills(db, inputs.toReversed())
          const trades = await listTrades(db, { botId })
          expect(trades.toReversed().map(tripOfTrade), name).toEqual(
            (expected['*'] ?? expected['FlatToFlat/*'] ?? []).map(figuresOf),
          )
          const stored: Fill[] = (await listFills(db, { botId })).toReversed()
          const terms = {
            kind: 'linear',
            baseCurrency: 'EUR',
            quoteCurrency: 'USD',
            settleCurrency: 'USD',
            contractSize: new Decimal(1),
          } as const
          const trips = listRoundTrips(stored, terms, method, 'fill_to_fill')
          expect(
            trips.map((trip) => ({
              dir: trip.direction,
              qty: text(trip.quantity),
              entry: text(trip.entryPrice?.toDecimalPlaces(PRICE_DECIMALS) ?? null),
              exit: text(trip.exitPrice?.toDecimalPlaces(PRICE_DECIMALS) ?? null),
              pnl: text(trip.gross),
            })),
            name,
          ).toEqual((expected['*'] ?? expected[`FillToFill/${method.toUpperCase()}`] ?? []).map(figuresOf))
        }
      },
    )

    // The recorded prices end there.
    const PRICE_DECIMALS = 28

    const figuresOf = ({ dir, qty, entry, exit, pnl }: Trip) => ({ dir, qty, entry, exit, pnl })

    const tripOfTrade = (trade: Trade) => ({
      dir: trade.direction,
      qty: text(trade.quantity),
      entry: text(trade.entryPrice.toDecimalPlaces(PRICE_DECIMALS)),
      exit: text(trade.exitPrice.toDecimalPlaces(PRICE_DECIMALS)),
      pnl: text(trade.gross),
    })
  })
}

/** The fills whose start position is not where the fill of the same coin before them ended, in the order of the feed. */
function gapsOf(feed: readonly RecordFillInput[]): string[] {
  const ends = new Map<string, Rational>()
  const oldestFirst = [...feed].sort(
    (a, b) =>
      a.executedAt.getTime() - b.executedAt.getTime() || Number((a.sequence ?? 0n) - (b.sequence ?? 0n)),
  )
  return oldestFirst.flatMap(({ symbol, side, quantity, executedAt, exchangeStartPosition }) => {
    const start = exact(String(exchangeStartPosition))
    const expected = ends.get(symbol)
    const moved = exact(String(quantity))
    ends.set(symbol, start.add(side === 'buy' ? moved : moved.negate()))
    if (expected === undefined || expected.equals(start)) return []
    return [`${symbol} ${executedAt.getTime()} ${start.sub(expected).toText()}`]
  })
}

/** What must be the same whatever came first: all but the ids that are drawn, and what counts the writes. */
function withoutIds(row: Position | Trade | Fill): Record<string, unknown> {
  const own = ['id', 'botId', 'positionId', 'openedPositionId', 'recordedAt', 'updatedAt', 'version']
  return Object.fromEntries(
    Object.entries(row)
      .filter(([key]) => !own.includes(key))
      .map(([key, value]) => [key, Decimal.isDecimal(value) ? value.toFixed() : value]),
  )
}

function sorted(rows: readonly Record<string, unknown>[]): Record<string, unknown>[] {
  const key = (row: Record<string, unknown>) =>
    JSON.stringify(row, (_, value) => (typeof value === 'bigint' ? String(value) : value))
  return rows.toSorted((a, b) => (key(a) < key(b) ? -1 : 1))
}

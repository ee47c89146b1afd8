import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Decimal, ZERO } from '../../src/db/decimal.ts'
import { compareLedgerOrder, type LedgerKey } from '../../src/trading/ledger-order.ts'
import {
  COST_BASIS_METHODS,
  type FillFact,
  type InstrumentTerms,
  SIDES,
} from '../../src/trading/position-math.ts'
import { listRoundTrips, ROUND_TRIP_GROUPINGS, type RoundTrip } from '../../src/trading/round-trips.ts'
import { hasSharedData, readSharedJson, SKIP_REASON } from '../shared-data.ts'

const d = (text: string) => new Decimal(text)
const linear: InstrumentTerms = {
  kind: 'linear',
  baseCurrency: 'EUR',
  quoteCurrency: 'USD',
  settleCurrency: 'USD',
  contractSize: d('1'),
}

let clock = 0
function makeFill(
  side: 'buy' | 'sell',
  quantity: string,
  price: string,
  over: Partial<FillFact> = {},
): FillFact {
  clock += 1
  return {
    side,
    positionSide: 'net',
    price: d(price),
    quantity: d(quantity),
    fee: d('0'),
    feeCurrency: 'USD',
    executedAt: new Date(clock),
    ...over,
  }
}

const text = (amount: Decimal | null) => amount?.toFixed()
const figures = (trip: RoundTrip) =>
  [trip.quantity, trip.entryPrice, trip.exitPrice, trip.gross, trip.fees].map(text).join(' ')
const totalFees = (trips: readonly RoundTrip[]) =>
  trips.reduce((sum, trip) => sum.plus(trip.fees ?? ZERO), ZERO)

describe('listRoundTrips', () => {
  it('lists nothing while nothing is closed', () => {
    expect(listRoundTrips([makeFill('buy', '1', '1')], linear, 'fifo', 'fill_to_fill')).toEqual([])
    expect(listRoundTrips([], linear, 'average', 'flat_to_flat')).toEqual([])
  })

  it('lists a lot closed in part, though the position stays open, only from fill to fill', () => {
    // 4 bought at 10 for a fee of 0.8; 1 sold at 12 for 0.1. Entry bears a quarter: 0.2 + 0.1.
    const fills = [
      makeFill('buy', '4', '10', { fee: d('0.8') }),
      makeFill('sell', '1', '12', { fee: d('0.1') }),
    ]
    expect(listRoundTrips(fills, linear, 'fifo', 'fill_to_fill').map(figures)).toEqual(['1 10 12 2 0.3'])
    expect(listRoundTrips(fills, linear, 'fifo', 'flat_to_flat')).toEqual([])
  })

  it('splits the fee of a fill that turns the position between the two cycles', () => {
    // Long 1 at 10; 4 sold at 12 for a fee of 0.4, 0.1 for the long and 0.3 for the short of 3; covered at 11 for 0.2.
    const fills = [
      makeFill('buy', '1', '10'),
      makeFill('sell', '4', '12', { fee: d('0.4') }),
      makeFill('buy', '3', '11', { fee: d('0.2') }),
    ]
    for (const grouping of ROUND_TRIP_GROUPINGS) {
      for (const method of COST_BASIS_METHODS) {
        const trips = listRoundTrips(fills, linear, method, grouping)
        expect(trips.map(figures)).toEqual(['1 10 12 2 0.1', '3 12 11 3 0.5'])
        expect(trips.map((trip) => trip.direction)).toEqual(['long', 'short'])
      }
    }
  })

  it('enters at the average price, one round trip per closing fill, by average cost', () => {
    // 1 at 10 and 3 at 14 are 4 at 13, with entry fees of 0.4. 1 and 3 sold at 15.
    const fills = [
      makeFill('buy', '1', '10', { fee: d('0.3') }),
      makeFill('buy', '3', '14', { fee: d('0.1') }),
      makeFill('sell', '1', '15'),
      makeFill('sell', '3', '15'),
    ]
    const trips = listRoundTrips(fills, linear, 'average', 'fill_to_fill')
    expect(trips.map(figures)).toEqual(['1 13 15 2 0.1', '3 13 15 6 0.3'])
  })

  it('does not know the fees of a round trip when one of them has no value', () => {
    const bnb = { fee: d('0.01'), feeCurrency: 'BNB' }
    const fills = [
      makeFill('buy', '1', '10', bnb),
      makeFill('buy', '1', '10', { fee: d('0.1') }),
      makeFill('sell', '2', '10'),
      makeFill('buy', '1', '10', { fee: d('0.2') }),
      makeFill('sell', '1', '10'),
    ]
    const trips = listRoundTrips(fills, linear, 'fifo', 'fill_to_fill')
    expect(trips.map((trip) => text(trip.fees))).toEqual([undefined, '0.1', '0.2'])
    expect(listRoundTrips(fills, linear, 'fifo', 'flat_to_flat')[0]?.fees).toBeNull()
  })

  it('makes the same profit and bears the same fees by each grouping and method, once all is flat', () => {
    const size = fc.integer({ min: 1, max: 5 }).map(String)
    const price = fc.integer({ min: 1, max: 999 }).map((cents) => (cents / 100).toFixed(2))
    const step = fc.tuple(fc.constantFrom(...SIDES), size, price, size)
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 25 }), (steps) => {
        const fills = steps.map(([side, size, price, fee]) => makeFill(side, size, price, { fee: d(fee) }))
        const held = fills.reduce(
          (sum, fill) => sum.plus(fill.quantity.times(fill.side === 'buy' ? 1 : -1)),
          ZERO,
        )
        if (!held.isZero()) fills.push(makeFill(held.gt(0) ? 'sell' : 'buy', held.abs().toFixed(), '7'))
        const fees = fills.reduce((sum, fill) => sum.plus(fill.fee), ZERO)
        const cash = fills.reduce(
          (sum, fill) => sum.plus(fill.quantity.times(fill.price).times(fill.side === 'buy' ? -1 : 1)),
          ZERO,
        )
        for (const grouping of ROUND_TRIP_GROUPINGS) {
          for (const method of COST_BASIS_METHODS) {
            const trips = listRoundTrips(fills, linear, method, grouping)
            expect(trips.reduce((sum, trip) => sum.plus(trip.gross), ZERO).toFixed()).toBe(cash.toFixed())
            expect(totalFees(trips).toFixed()).toBe(fees.toFixed())
          }
        }
      }),
    )
  })
})

interface ExpectedTrip {
  readonly dir: string
  readonly qty: string
  readonly entry: string
  readonly exit: string
  readonly pnl: string
  readonly fees: string
  readonly orders: readonly number[]
}

interface Scenario {
  readonly name: string
  /** Number, side, quantity, price, minute. */
  readonly fills: readonly (readonly [number, 'buy' | 'sell', string, string, number])[]
  /** By `grouping/method`; a star is any. */
  readonly expected: Readonly<Record<string, readonly ExpectedTrip[]>>
}

const GROUPING_NAMES = { FlatToFlat: 'flat_to_flat', FillToFill: 'fill_to_fill' } as const

describe.skipIf(!hasSharedData)(
  hasSharedData
    ? 'round trips computed elsewhere'
    : `round trips computed elsewhere (skipped: ${SKIP_REASON})`,
  () => {
    const scenarios = hasSharedData
      ? readSharedJson<{ scenarios: Scenario[] }>('expected/round-trips.json').scenarios
      : []
    const cases = scenarios.flatMap((scenario) =>
      Object.entries(GROUPING_NAMES).flatMap(([groupingName, grouping]) =>
        (['fifo', 'lifo'] as const).map((method) => {
          const keys = [`${groupingName}/${method.toUpperCase()}`, `${groupingName}/*`, '*']
          const key = keys.find((key) => key in scenario.expected) ?? ''
          return {
            name: scenario.name,
            fills: scenario.fills,
            grouping,
            method,
            expected: scenario.expected[key] ?? [],
          }
        }),
      ),
    )

    it('are three sequences, each with an expectation for both groupings and both methods', () => {
      expect(cases).toHaveLength(12)
      for (const { expected } of cases) expect(expected.length).toBeGreaterThan(0)
    })

    it.each(cases)('$name, $grouping, $method', ({ fills, grouping, method, expected }) => {
      const startedAt = Date.UTC(2024, 0, 1)
      const minuteOf = new Map(fills.map(([number, , , , minute]) => [number, minute]))
      const facts = fills.map(([, side, quantity, price, minute]) =>
        makeFill(side, quantity, price, { fee: d('1'), executedAt: new Date(startedAt + minute * 60_000) }),
      )
      const trips = listRoundTrips(facts, linear, method, grouping)
      const places = (price: string) => price.split('.')[1]?.length ?? 0
      expect(
        trips.map((trip, index) => ({
          dir: trip.direction,
          qty: trip.quantity.toFixed(),
          // The recorded prices end at 28 decimals.
          entry: trip.entryPrice?.toDecimalPlaces(places(expected[index]?.entry ?? '')).toFixed(),
          exit: trip.exitPrice?.toDecimalPlaces(places(expected[index]?.exit ?? '')).toFixed(),
          pnl: trip.gross.toFixed(),
          openedAfter: (trip.openedAt.getTime() - startedAt) / 60_000,
          closedAfter: (trip.closedAt.getTime() - startedAt) / 60_000,
        })),
      ).toEqual(
        expected.map(({ dir, qty, entry, exit, pnl, orders }) => ({
          dir,
          qty,
          entry,
          exit,
          pnl,
          openedAfter: minuteOf.get(Math.min(...orders)),
          closedAfter: minuteOf.get(Math.max(...orders)),
        })),
      )

      // There, a fill that serves two round trips charges its whole fee to the first; here, each bears its part. So the
      // fees can only agree for a round trip that shares no fill with another, and in total.
      for (const [index, { fees, orders }] of expected.entries()) {
        const others = expected.filter((_, other) => other !== index).flatMap((other) => other.orders)
        if (orders.some((order) => others.includes(order))) continue
        expect(trips[index]?.fees?.toFixed()).toBe(fees)
      }
      const total = expected.reduce((sum, { fees }) => sum.plus(fees), ZERO)
      expect(totalFees(trips).toFixed()).toBe(total.toFixed())
    })
  },
)

describe('compareLedgerOrder', () => {
  const key = (over: Partial<LedgerKey> = {}): LedgerKey => ({
    executedAt: new Date(0),
    sequence: 0n,
    exchangeTradeId: 'a',
    side: 'buy',
    ...over,
  })
  const ids = (...list: string[]) =>
    list
      .map((exchangeTradeId) => key({ exchangeTradeId }))
      .sort(compareLedgerOrder)
      .map((fact) => fact.exchangeTradeId)

  it('asks time first, then the sequence, then the id, then the side', () => {
    const inOrder = [
      key({ sequence: 9n, exchangeTradeId: 'zz', side: 'sell' }),
      key({ executedAt: new Date(1), exchangeTradeId: 'zz', side: 'sell' }),
      key({ executedAt: new Date(1), sequence: 2n, exchangeTradeId: 'z', side: 'sell' }),
      // Beyond what a JS number can tell apart.
      key({ executedAt: new Date(1), sequence: 2n ** 60n, exchangeTradeId: 'b' }),
      key({ executedAt: new Date(1), sequence: 2n ** 60n + 1n, exchangeTradeId: 'a' }),
      key({ executedAt: new Date(1), sequence: 2n ** 60n + 1n, exchangeTradeId: 'b', side: 'buy' }),
      key({ executedAt: new Date(1), sequence: 2n ** 60n + 1n, exchangeTradeId: 'b', side: 'sell' }),
    ]
    expect([...inOrder].reverse().sort(compareLedgerOrder)).toEqual(inOrder)
    expect(compareLedgerOrder(key(), key())).toBe(0)
  })

  it('puts trade 9 before trade 10, and capitals before small letters', () => {
    expect(ids('10', '9', 'a', 'B', '100')).toEqual(['9', 'B', 'a', '10', '100'])
  })

  it('counts and compares bytes of UTF-8, not UTF-16 units', () => {
    // é is two bytes; U+FF5E three; an emoji four, and its first UTF-16 unit is below U+FF5E.
    expect(ids('é', 'aaa', 'z')).toEqual(['z', 'é', 'aaa'])
    expect(ids('😀aaa', '～～a')).toEqual(['～～a', '😀aaa'])
    expect(ids('😀', '～a')).toEqual(['～a', '😀'])
  })

  it('orders any ids as their bytes are', () => {
    const id = fc.oneof(fc.string({ maxLength: 4 }), fc.string({ unit: 'binary', maxLength: 4 }))
    fc.assert(
      fc.property(id, id, (a, b) => {
        const [left, right] = [Buffer.from(a), Buffer.from(b)]
        const expected = Math.sign(left.length - right.length) || Buffer.compare(left, right)
        expect(Math.sign(compareLedgerOrder(key({ exchangeTradeId: a }), key({ exchangeTradeId: b })))).toBe(
          expected,
        )
      }),
      { numRuns: 2000 },
    )
  })
})

import { gunzipSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Decimal, ZERO } from '../../src/db/decimal.ts'
import {
  applyFill,
  COST_BASIS_METHODS,
  type CostBasisMethod,
  calculateAveragePrice,
  calculateSignedCost,
  type FillFact,
  type FillOutcome,
  type InstrumentKind,
  type InstrumentTerms,
  POSITION_SIDES,
  type PositionState,
  SIDES,
} from '../../src/trading/position-math.ts'
import { hasSharedData, readShared, readSharedJson, SKIP_REASON } from '../shared-data.ts'

const sum = (amounts: Iterable<Decimal>) => [...amounts].reduce((total, amount) => total.plus(amount), ZERO)

function expectEqual(actual: Decimal, expected: Decimal, what: string) {
  // Text only when it is needed: thousands of steps are compared.
  if (!actual.eq(expected)) expect(actual.toFixed(), what).toBe(expected.toFixed())
}

function expectNotNegative(amount: Decimal, what: string) {
  if (amount.lt(0)) expect(amount.toFixed(), what).toBe('not negative')
}

/** Replays a ledger and hands each step, with the running sums of the identity checked, to `check`. */
function replay(
  fills: readonly FillFact[],
  instrument: InstrumentTerms,
  method: CostBasisMethod,
  check: (outcome: FillOutcome, before: PositionState | undefined, fill: FillFact) => void = () => {},
) {
  let position: PositionState | undefined
  let realised = ZERO
  let cashFlow = ZERO
  const cycles: PositionState[] = []
  for (const fill of fills) {
    const before = position
    if (before) freeze(before)
    const outcome = applyFill(before, Object.freeze(fill), instrument, method)
    position = outcome.position
    realised = realised.plus(outcome.realisedGross)
    cashFlow = cashFlow.plus(outcome.cashFlow)
    if (outcome.closed) cycles.push(outcome.closed)
    expectEqual(realised, cashFlow.plus(calculateSignedCost(position, instrument)), 'identity')
    check(outcome, before, fill)
  }
  return { position, realised, cashFlow, cycles }
}

/** A frozen object throws when it is written to, so an altered input fails the replay. */
function freeze(position: PositionState) {
  Object.freeze(position)
  Object.freeze(position.lots)
  Object.freeze(position.unvaluedFees)
  for (const lot of position.lots) Object.freeze(lot)
}

/** Decimals of either many or few digits, so that quotients end and do not end. */
const decimal = (digits: number) =>
  fc
    .tuple(fc.bigInt({ min: 1n, max: 10n ** BigInt(digits) }), fc.integer({ min: 0, max: digits }))
    .map(([coefficient, scale]) => new Decimal(coefficient.toString()).div(new Decimal(10).pow(scale)))
const amount = fc.oneof(decimal(2), decimal(6), decimal(30))
const fee = fc.oneof(
  fc.constant(ZERO),
  decimal(4),
  decimal(12),
  decimal(4).map((value) => value.neg()),
)

const market = fc
  .record({ kind: fc.constantFrom<InstrumentKind>('spot', 'linear', 'inverse'), contractSize: amount })
  .map(
    ({ kind, contractSize }): InstrumentTerms => ({
      kind,
      baseCurrency: 'BTC',
      quoteCurrency: 'USD',
      settleCurrency: kind === 'inverse' ? 'BTC' : 'USD',
      contractSize: kind === 'spot' ? new Decimal(1) : contractSize,
    }),
  )

/** Few different quantities, so that cycles often end at exactly zero. */
const quantity = fc.oneof(
  fc.constantFrom('1', '2', '3').map((text) => new Decimal(text)),
  amount,
)
const fills = fc.constantFrom(...POSITION_SIDES).chain((positionSide) =>
  fc.array(
    fc
      .record({
        side: fc.constantFrom(...SIDES),
        price: amount,
        quantity,
        fee,
        feeCurrency: fc.constantFrom('USD', 'BTC', 'BNB', 'OKB'),
        feeInSettlement: fc.option(fee),
        at: fc.integer({ min: 0, max: 1000 }),
      })
      .map(({ at, ...fill }): FillFact => ({ ...fill, positionSide, executedAt: new Date(at) })),
    { maxLength: 30 },
  ),
)
const method = fc.constantFrom(...COST_BASIS_METHODS)

describe('any fills, of any method and kind', () => {
  it('keep the identity, and never a negative quantity or cost', () => {
    fc.assert(
      fc.property(fills, market, method, (fills, instrument, method) => {
        replay(fills, instrument, method, ({ position, closed }) => {
          if (closed) expectEqual(closed.quantity.plus(closed.cost), ZERO, 'what is left of a closed cycle')
          if (position === undefined) return
          expect(position.quantity.gt(0)).toBe(true)
          expectNotNegative(position.cost, 'cost')
          expectEqual(
            position.entryQuantity.minus(position.exitQuantity),
            position.quantity,
            'quantity of the cycle',
          )
          expect(position.peakQuantity.gte(position.quantity)).toBe(true)
        })
      }),
    )
  })

  it('keep the lots in step with the position', () => {
    fc.assert(
      fc.property(fills, market, method, (fills, instrument, method) => {
        replay(fills, instrument, method, ({ position }) => {
          if (position === undefined) return
          if (method === 'average') return expect(position.lots).toHaveLength(0)
          expectEqual(
            sum(position.lots.map((lot) => lot.quantity)),
            position.quantity,
            'quantity of the lots',
          )
          expectEqual(sum(position.lots.map((lot) => lot.cost)), position.cost, 'cost of the lots')
          const ordinals = position.lots.map((lot) => lot.ordinal)
          expect(ordinals).toEqual([...new Set(ordinals)].sort((a, b) => a - b))
          for (const lot of position.lots) {
            expect(lot.quantity.gt(0)).toBe(true)
            expectNotNegative(lot.cost, 'cost of a lot')
          }
        })
      }),
    )
  })

  it('divide nothing without the parts adding up to the whole', () => {
    fc.assert(
      fc.property(fills, market, method, (fills, instrument, method) => {
        replay(fills, instrument, method, (outcome, before) => {
          const { closures, closed, position } = outcome
          const { closedQuantity, openedQuantity, excessQuantity, effectiveQuantity } = outcome
          expectEqual(closedQuantity.plus(openedQuantity).plus(excessQuantity), effectiveQuantity, 'quantity')
          expectEqual(sum(closures.map((closure) => closure.quantity)), closedQuantity, 'closures: quantity')
          expectEqual(sum(closures.map((closure) => closure.gross)), outcome.realisedGross, 'closures: gross')
          for (const { cost, proceeds } of closures) {
            expectNotNegative(cost, 'closures: cost')
            expectNotNegative(proceeds, 'closures: proceeds')
          }
          const after = closed ?? position
          if (before === undefined || after === undefined) return
          const removed = sum(closures.map((closure) => closure.cost))
          const added = closed ? ZERO : after.entryCost.minus(before.entryCost)
          expectEqual(before.cost.plus(added).minus(removed), after.cost, 'cost')
          const proceeds = sum(closures.map((closure) => closure.proceeds))
          expectEqual(after.exitValue.minus(before.exitValue), proceeds, 'closures: proceeds')
          const newCost = closed && position ? position.entryCost : added
          expectEqual(proceeds.plus(newCost), outcome.cashFlow.abs(), 'value of the fill')
        })
      }),
    )
  })

  it('lose no fee: what the cycles bear and what no cycle could bear is the whole', () => {
    fc.assert(
      fc.property(fills, market, method, (fills, instrument, method) => {
        const borne = { valued: ZERO, unvalued: ZERO }
        const charged = { valued: ZERO, unvalued: ZERO }
        const { position, cycles } = replay(fills, instrument, method, (outcome, before, fill) => {
          const isBorne = before !== undefined || outcome.position !== undefined
          if (!isBorne) return
          if (outcome.feeInSettlement) charged.valued = charged.valued.plus(outcome.feeInSettlement)
          else charged.unvalued = charged.unvalued.plus(fill.fee)
        })
        for (const cycle of position ? [...cycles, position] : cycles) {
          borne.valued = borne.valued.plus(cycle.fees)
          borne.unvalued = borne.unvalued.plus(sum(Object.values(cycle.unvaluedFees)))
        }
        expectEqual(borne.valued, charged.valued, 'fees of known value')
        expectEqual(borne.unvalued, charged.unvalued, 'other fees')
      }),
    )
  })

  it('make the same profit from flat to flat by each method', () => {
    fc.assert(
      fc.property(fills, market, (fills, instrument) => {
        const [average, ...others] = COST_BASIS_METHODS.map(
          (method) => replay(fills, instrument, method).cycles,
        )
        for (const cycles of others) {
          expect(cycles.map((cycle) => cycle.realisedGross.toFixed())).toEqual(
            average?.map((cycle) => cycle.realisedGross.toFixed()),
          )
        }
      }),
    )
  })
})

describe('any netted fills of a spot market', () => {
  const spot: InstrumentTerms = {
    kind: 'spot',
    baseCurrency: 'BTC',
    quoteCurrency: 'USD',
    settleCurrency: 'USD',
    contractSize: new Decimal(1),
  }

  it('leave the cash and the coins that an account would have, whatever the fees', () => {
    fc.assert(
      fc.property(fills, method, (fills, method) => {
        const known = fills
          .filter((fill) => fill.feeCurrency === 'USD' || fill.feeCurrency === 'BTC')
          .map((fill): FillFact => ({ ...fill, positionSide: 'net' }))
        let cash = ZERO
        let coins = ZERO
        let fees = ZERO
        let cashFlow = ZERO
        replay(known, spot, method, (outcome, _before, fill) => {
          const sign = fill.side === 'buy' ? 1 : -1
          coins = coins.plus(fill.quantity.times(sign))
          cash = cash.minus(fill.quantity.times(fill.price).times(sign))
          if (fill.feeCurrency === 'BTC') coins = coins.minus(fill.fee)
          else cash = cash.minus(fill.fee)
          fees = fees.plus(outcome.feeInSettlement ?? ZERO)
          const held = outcome.position?.quantity ?? ZERO
          expectEqual(outcome.position?.direction === 'short' ? held.neg() : held, coins, 'coins')
          // The account's cash is the ledger's cash flow less fees.
          cashFlow = cashFlow.plus(outcome.cashFlow)
          expectEqual(cashFlow.minus(fees), cash, 'cash')
        })
      }),
    )
  })
})

interface ExpectedPnl {
  readonly symbols: Readonly<
    Record<
      string,
      {
        readonly fills: number
        readonly net_qty: string
        readonly cash_flow: string
        readonly realized_fifo: string
        readonly realized_lifo: string
        readonly realized_avg_cost: string
        readonly open_cost_fifo: string
        readonly avg_entry: string
        readonly flat_cycles_avg: number
      }
    >
  >
}

describe.skipIf(!hasSharedData)(
  hasSharedData ? '9,367 real transactions' : `9,367 real transactions (skipped: ${SKIP_REASON})`,
  () => {
    const stock: InstrumentTerms = {
      kind: 'spot',
      baseCurrency: 'SHARE',
      quoteCurrency: 'USD',
      settleCurrency: 'USD',
      contractSize: new Decimal(1),
    }
    const ledgers = hasSharedData ? readTransactions() : new Map<string, FillFact[]>()
    const expected = hasSharedData ? readSharedJson<ExpectedPnl>('expected/realized-pnl.json').symbols : {}
    const tolerance = new Decimal('1e-12')

    it('are all there', () => {
      expect(ledgers.size).toBe(7)
      expect([...ledgers.values()].reduce((count, ledger) => count + ledger.length, 0)).toBe(9367)
      expect(Object.keys(expected).sort()).toEqual(['AMD', 'COST', 'DELL'])
    })

    it.each([...ledgers.keys()])('keep the identity at every step, by each method: %s', (symbol) => {
      for (const method of COST_BASIS_METHODS) replay(ledgers.get(symbol) ?? [], stock, method)
    })

    it.each(Object.entries(expected))('have the realised PnL computed elsewhere: %s', (symbol, figures) => {
      const ledger = ledgers.get(symbol) ?? []
      expect(ledger).toHaveLength(figures.fills)
      const [average, fifo, lifo] = (['average', 'fifo', 'lifo'] as const).map((name) =>
        replay(ledger, stock, name),
      )
      expectEqual(fifo?.realised ?? ZERO, new Decimal(figures.realized_fifo), 'fifo')
      expectEqual(lifo?.realised ?? ZERO, new Decimal(figures.realized_lifo), 'lifo')
      const difference = average?.realised.minus(figures.realized_avg_cost).abs()
      expect(difference?.lte(tolerance), `average differs by ${difference?.toFixed()}`).toBe(true)
      expectEqual(fifo?.position?.cost ?? ZERO, new Decimal(figures.open_cost_fifo), 'open cost')
      expectEqual(fifo?.position?.quantity ?? ZERO, new Decimal(figures.net_qty), 'quantity')
      expectEqual(fifo?.cashFlow ?? ZERO, new Decimal(figures.cash_flow), 'cash flow')
      expect(average?.cycles).toHaveLength(figures.flat_cycles_avg)
      const price = average?.position && calculateAveragePrice(average.position, stock)
      expect(price?.minus(figures.avg_entry).abs().lte(tolerance)).toBe(true)
    })
  },
)

/** The transactions per symbol; the file's own order is the order within equal times. */
function readTransactions(): Map<string, FillFact[]> {
  const [, ...lines] = gunzipSync(readShared('transactions/equity-transactions.csv.gz'))
    .toString('utf8')
    .trim()
    .split('\n')
  const ledgers = new Map<string, FillFact[]>()
  for (const line of lines) {
    const [at = '', signed = '', price = '', , symbol = ''] = line.split(',')
    const quantity = new Decimal(signed)
    const ledger = ledgers.get(symbol) ?? []
    ledgers.set(symbol, ledger)
    ledger.push({
      side: quantity.isNegative() ? 'sell' : 'buy',
      positionSide: 'net',
      price: new Decimal(price),
      quantity: quantity.abs(),
      fee: ZERO,
      feeCurrency: 'USD',
      executedAt: new Date(at),
    })
  }
  return ledgers
}

import {
  compareInLedgerOrder,
  fillKey,
  type ModelFacts,
  type ModelFill,
  replayModel,
} from './ledger-model.ts'
import { quotient, Rational, signed, ZERO } from './rational.ts'

/** Money that came (positive) or went at a moment. */
export interface MoneyFact {
  readonly at: number
  readonly kind: string
  readonly currency: string
  readonly amount: Rational
}

export interface TradeFact {
  /** When it was closed. */
  readonly at: number
  readonly direction: 'long' | 'short'
  readonly isLiquidation: boolean
  readonly holdingMs: number
  /** What it brought, by currency: that of its settlement, and those of fees of which nobody said what they are worth. */
  readonly nets: ReadonlyMap<string, Rational>
}

/** One ledger, as far as days are about it. */
export interface LedgerDay {
  readonly money: readonly MoneyFact[]
  /** In settlement currency, of the quantity that was reported. */
  readonly fills: readonly { readonly at: number; readonly value: Rational; readonly currency: string }[]
  /** In order of closing. */
  readonly trades: readonly TradeFact[]
}

export function replayDaily(facts: ModelFacts): LedgerDay {
  const { instrument } = facts
  const currency = instrument.settleCurrency
  const { cycles, realisedByFill } = replayModel(facts)
  const fills = [...facts.fills].sort(compareInLedgerOrder)
  return {
    money: [
      ...fills.map((fill) => ({
        at: fill.executedAt,
        kind: 'gross',
        currency,
        amount: Rational.parse(realisedByFill.get(fillKey(fill)) ?? '0'),
      })),
      ...fills.map((fill) => feeOf(fill, facts)),
      ...facts.funding.map(({ at, amount }) => ({
        at,
        kind: 'funding',
        currency,
        amount: Rational.parse(amount),
      })),
    ],
    fills: fills.map((fill) => ({
      at: fill.executedAt,
      value: worthOf(Rational.parse(fill.quantity), Rational.parse(fill.price), facts),
      currency,
    })),
    trades: cycles.flatMap((cycle) => {
      const { openedAt, closedAt, direction, status } = cycle
      if (closedAt === null) return []
      const [gross, fees, funding] = [cycle.realisedGross, cycle.fees, cycle.funding].map(Rational.parse)
      const net = (gross ?? ZERO).sub(fees ?? ZERO).add(funding ?? ZERO)
      const unvalued = Object.entries(cycle.unvaluedFees)
      return {
        at: closedAt,
        direction,
        isLiquidation: status === 'liquidated',
        holdingMs: closedAt - openedAt,
        nets: new Map([
          [currency, net],
          ...unvalued.map(([name, fee]) => [name, Rational.parse(fee).negate()] as const),
        ]),
      }
    }),
  }
}

/** What the fee of a fill took, in settlement currency, or in its own where nobody said what it is worth. */
function feeOf(fill: ModelFill, { instrument }: ModelFacts): MoneyFact {
  const [fee, price] = [Rational.parse(fill.fee), Rational.parse(fill.price)]
  const { kind, baseCurrency, quoteCurrency, settleCurrency } = instrument
  const inSettlement = () => {
    if (fill.feeCurrency === settleCurrency) return fee
    if (kind === 'inverse' && fill.feeCurrency === quoteCurrency) return quotient(fee, price)
    if (kind !== 'inverse' && fill.feeCurrency === baseCurrency) return fee.mul(price)
    return fill.feeInSettlement == null ? null : Rational.parse(fill.feeInSettlement)
  }
  const known = inSettlement()
  return {
    at: fill.executedAt,
    kind: 'fillFee',
    currency: known === null ? fill.feeCurrency : settleCurrency,
    amount: (known ?? fee).negate(),
  }
}

function worthOf(quantity: Rational, price: Rational, { instrument }: ModelFacts): Rational {
  const units = quantity.mul(Rational.parse(instrument.contractSize))
  return instrument.kind === 'inverse' ? quotient(units, price) : units.mul(price)
}

/**
 * Returns what is held of a ledger after the facts of its past would gain if it were closed, in settlement currency: undefined
 * where nothing is held, null where there is no price. That may depend on whether what was held then is still held after all facts.
 */
export function valueOfHeld(
  facts: ModelFacts,
  isPast: (at: number) => boolean,
  priceOf: (isStillHeld: boolean) => Rational | null,
): Rational | null | undefined {
  const past = {
    ...facts,
    fills: facts.fills.filter(({ executedAt }) => isPast(executedAt)),
    funding: facts.funding.filter(({ at }) => isPast(at)),
  }
  const cycles = replayModel(past).cycles
  const index = cycles.findIndex(({ status }) => status === 'open')
  const open = cycles[index]
  if (open === undefined) return undefined
  const price = priceOf(replayModel(facts).cycles[index]?.status === 'open')
  if (price === null) return null
  const value = worthOf(Rational.parse(open.quantity), price, facts)
  const isGain = (open.direction === 'long') !== (facts.instrument.kind === 'inverse')
  return signed(isGain ? 1 : -1, value.sub(Rational.parse(open.cost)))
}

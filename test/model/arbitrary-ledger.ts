import fc from 'fast-check'
import {
  compareInLedgerOrder,
  effectiveQuantity,
  type ModelFacts,
  type ModelFill,
  type ModelFunding,
  type ModelInstrument,
  type ModelMethod,
} from './ledger-model.ts'
import { Rational, signed, ZERO } from './rational.ts'

export interface ArbitraryLedgerOptions {
  /** All three by default. */
  readonly kinds?: readonly ModelInstrument['kind'][]
  /** 30 by default. */
  readonly maxFills?: number
}

const START = Date.UTC(2024, 0, 15, 12)
const MAX_DECIMALS = 18

/**
 * Random ledgers, made to hit what is rare in random numbers: exact closes, flips, hedged exits of more than is held,
 * fills and funding in one millisecond, ids that sort differently as text, as UTF-16 and as bytes, self-trades.
 *
 * The fills come in ledger order; `arbitraryArrival` shuffles them. All are valid facts: prices and quantities are positive with at most 30 decimals,
 * `(side, exchangeTradeId)` is unique, no fee eats a whole fill, and there is one position side.
 */
export function arbitraryLedger(options: ArbitraryLedgerOptions = {}): fc.Arbitrary<ModelFacts> {
  const { kinds = ['spot', 'linear', 'inverse'], maxFills = 30 } = options
  return fc
    .record({
      kind: fc.constantFrom(...kinds),
      contractSize: fc.constantFrom('1', '1', '10', '100', '0.1', '0.001', '0.00000001'),
      method: fc.constantFrom<ModelMethod>('average', 'fifo', 'lifo'),
      positionSide: fc.constantFrom<ModelFill['positionSide']>('net', 'net', 'long', 'short'),
      drafts: fc.uniqueArray(draft(), { maxLength: maxFills, selector: ({ id }) => id, size: 'max' }),
      funding: fc.uniqueArray(payment(), { maxLength: 8, selector: ({ id }) => id }),
    })
    .map(({ kind, contractSize, method, positionSide, drafts, funding }) => {
      const instrument = instrumentOf(kind, contractSize)
      // Coins are held or owed, there is no second side to hold them on, and nobody is charged for it every eight hours.
      const isSpot = kind === 'spot'
      const fills = drafts.flatMap((each) => fillsOf(each, instrument, isSpot ? 'net' : positionSide))
      return {
        instrument,
        method,
        fills: steer(fills.slice(0, maxFills), instrument),
        funding: isSpot ? [] : funding,
      }
    })
}

/** The same facts as they may arrive: in any order, each at least once and some again. */
export function arbitraryArrival<T>(facts: readonly T[]): fc.Arbitrary<T[]> {
  if (facts.length === 0) return fc.constant([])
  return fc.array(fc.constantFrom(...facts), { maxLength: facts.length }).chain((repeated) => {
    const all = [...facts, ...repeated]
    return fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length })
  })
}

/** What a fill is meant to do to what is held when its turn comes. */
type Intent = 'asDrawn' | 'close' | 'flip'

interface IntendedFill extends ModelFill {
  readonly intent: Intent
}

type Draft = ReturnType<typeof draft> extends fc.Arbitrary<infer T> ? T : never

function draft() {
  return fc.record({
    id: tradeId(),
    side: fc.constantFrom('buy', 'sell'),
    intent: fc.constantFrom<Intent>('asDrawn', 'asDrawn', 'asDrawn', 'asDrawn', 'close', 'flip'),
    isSelfTrade: chance(12),
    price: amount(),
    quantity: amount(),
    fee: fc.oneof({ weight: 2, arbitrary: fc.constant('0') }, { weight: 3, arbitrary: fee() }),
    feeIn: fc.constantFrom('settle', 'settle', 'base', 'quote', 'other', 'third'),
    feePrice: fc.option(amount(), { nil: null }),
    executedAt: instant(),
    sequence: fc.constantFrom(0n, 0n, 0n, 1n, 2n, 10n, 9_007_199_254_740_993n),
    liquidation: chance(10),
  })
}

function payment(): fc.Arbitrary<ModelFunding> {
  return fc.record({ id: fc.nat(999).map((id) => `funding-${id}`), amount: fee(), at: instant() })
}

/** Returns true once in so many times, and shrinks to false. */
function chance(times: number): fc.Arbitrary<boolean> {
  return fc.nat(times - 1).map((drawn) => drawn === times - 1 && times > 1)
}

/** Few milliseconds, so that many facts share one. */
function instant(): fc.Arbitrary<number> {
  return fc.constantFrom(0, 0, 1, 1, 2, 3, 1_000, 86_400_000).map((after) => START + after)
}

/** Positive: a small whole number as often as one of up to 18 decimals. */
function amount(): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: 1, max: 5 }).map(String) },
    { weight: 1, arbitrary: scaled(fc.bigInt({ min: 1n, max: 999_999n }), 0, 4) },
    { weight: 1, arbitrary: scaled(fc.bigInt({ min: 1n, max: 10n ** 21n }), 9, MAX_DECIMALS) },
  )
}

/** Positive when paid, negative when it is a rebate, zero now and then. */
function fee(): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 2, arbitrary: scaled(fc.bigInt({ min: -30n, max: 100n }), 0, 3) },
    {
      weight: 1,
      arbitrary: fc
        .bigInt({ min: -(10n ** 17n), max: 10n ** 17n })
        .map((units) => Rational.of(units, 10n ** 18n).toText()),
    },
  )
}

function scaled(units: fc.Arbitrary<bigint>, minDecimals: number, maxDecimals: number): fc.Arbitrary<string> {
  return fc
    .tuple(units, fc.integer({ min: minDecimals, max: maxDecimals }))
    .map(([drawn, decimals]) => Rational.of(drawn, 10n ** BigInt(decimals)).toText())
}

/** Numbers of different lengths, and texts whose length and order differ between bytes and UTF-16. */
function tradeId(): fc.Arbitrary<string> {
  return fc
    .oneof(
      { weight: 3, arbitrary: fc.nat(1_200).map(String) },
      { weight: 1, arbitrary: fc.bigInt({ min: 10n ** 17n, max: 10n ** 19n }).map(String) },
      {
        weight: 1,
        arbitrary: fc.array(fc.constantFrom('a', 'B', 'z', '-', '|', 'é', '～', '😀'), {
          minLength: 1,
          maxLength: 4,
        }),
      },
    )
    .map((id) => (typeof id === 'string' ? id : id.join('')))
}

function instrumentOf(kind: ModelInstrument['kind'], contractSize: string): ModelInstrument {
  const [baseCurrency, quoteCurrency] = ['BTC', 'USD']
  return {
    kind,
    baseCurrency,
    quoteCurrency,
    settleCurrency: kind === 'inverse' ? baseCurrency : quoteCurrency,
    contractSize: kind === 'spot' ? '1' : contractSize,
  }
}

function fillsOf(
  drawn: Draft,
  instrument: ModelInstrument,
  positionSide: ModelFill['positionSide'],
): IntendedFill[] {
  const currencies = {
    settle: instrument.settleCurrency,
    base: instrument.baseCurrency,
    quote: instrument.quoteCurrency,
    other: 'BNB',
    third: 'KCS',
  }
  const isForeign = drawn.feeIn === 'other' || drawn.feeIn === 'third'
  const worth =
    isForeign && drawn.feePrice !== null
      ? Rational.parse(drawn.fee).mul(Rational.parse(drawn.feePrice))
      : null
  const fill: IntendedFill = {
    exchangeTradeId: drawn.id,
    side: drawn.side === 'buy' ? 'buy' : 'sell',
    positionSide,
    price: drawn.price,
    quantity: drawn.quantity,
    fee: drawn.fee,
    feeCurrency: currencies[drawn.feeIn],
    feeInSettlement: worth === null ? null : worth.roundTo(MAX_DECIMALS).toText(),
    executedAt: drawn.executedAt,
    sequence: drawn.sequence,
    liquidation: drawn.liquidation,
    // A self-trade has both sides already; turning one round would make two fills of one key.
    intent: drawn.isSelfTrade ? 'asDrawn' : drawn.intent,
  }
  if (!drawn.isSelfTrade) return [fill]
  return [fill, { ...fill, side: fill.side === 'buy' ? 'sell' : 'buy', fee: '0', feeInSettlement: null }]
}

/** Returns the fills in ledger order, those that shall close or flip turned and sized for what is held at their turn. */
function steer(drawn: readonly IntendedFill[], instrument: ModelInstrument): ModelFill[] {
  let held = ZERO
  return [...drawn].sort(compareInLedgerOrder).map(({ intent, ...fill }) => {
    const aimed = intent === 'asDrawn' || held.isZero() ? fill : against(held, fill, intent, instrument)
    const steered = isFeasible(aimed, instrument) ? aimed : { ...fill, fee: '0', feeInSettlement: null }
    held = held.add(signed(steered.side === 'buy' ? 1 : -1, effectiveQuantity(steered, instrument)))
    const cannotHold = { net: 0, long: -1, short: 1 }[steered.positionSide]
    if (cannotHold !== 0 && held.sign() === cannotHold) held = ZERO
    return steered
  })
}

/** Returns the fill so that it takes away exactly what is held, or that and as much again as was drawn. */
function against(held: Rational, fill: ModelFill, intent: Intent, instrument: ModelInstrument): ModelFill {
  const side = held.sign() > 0 ? 'sell' : 'buy'
  const wanted = intent === 'close' ? held.abs() : held.abs().add(Rational.parse(fill.quantity))
  // The fee in coins that the effective quantity of this side will count, given back beforehand.
  const counted = effectiveQuantity({ ...fill, side }, instrument).sub(Rational.parse(fill.quantity))
  return { ...fill, side, quantity: wanted.sub(counted).toText() }
}

function isFeasible(fill: ModelFill, instrument: ModelInstrument): boolean {
  return Rational.parse(fill.quantity).sign() > 0 && effectiveQuantity(fill, instrument).sign() > 0
}

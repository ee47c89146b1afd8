import fc from 'fast-check'
import { arbitraryLedger } from './arbitrary-ledger.ts'
import { addDays, dayStart } from './daily-days.ts'
import type { DailyClose, DailyFacts, DailyFlow, DailyLedger } from './daily-model.ts'
import { type ModelFacts, type ModelFill, type ModelMethod, replayModel } from './ledger-model.ts'
import { Rational } from './rational.ts'

/** Some days of a zone, most of them with a day in it that has not 24 hours, or none, or a midnight that is left out or comes twice. */
const PERIODS = [
  ['UTC', '2024-02-26'],
  ['Asia/Kathmandu', '2024-02-26'],
  ['Europe/Berlin', '2024-03-28'],
  ['Europe/Berlin', '2024-10-24'],
  ['America/Havana', '2024-03-08'],
  ['America/Havana', '2024-11-01'],
  ['Africa/Cairo', '2023-04-26'],
  ['Africa/Cairo', '2023-10-25'],
  ['Asia/Beirut', '2022-03-25'],
  ['Asia/Beirut', '2022-10-28'],
  ['America/Asuncion', '2023-09-29'],
  ['America/Asuncion', '2023-03-24'],
  ['Pacific/Apia', '2011-12-27'],
  ['America/St_Johns', '2010-03-12'],
  ['America/St_Johns', '2010-11-05'],
  ['Australia/Lord_Howe', '2024-04-05'],
] as const

const DAYS = 6
const HOUR_MS = 3_600_000

export interface ArbitraryDailyOptions {
  /** True for a bot that has to do with no other currency than its own, and is asked when all has happened. */
  readonly isPlain?: boolean
}

/** Random facts of one bot within six days; some of them later than the moment of which it is asked. */
export function arbitraryDaily({ isPlain = false }: ArbitraryDailyOptions = {}): fc.Arbitrary<DailyFacts> {
  return fc.constantFrom(...PERIODS).chain(([zone, first]) => {
    const starts = Array.from({ length: DAYS + 1 }, (_, i) => dayStart(addDays(first, i), zone))
    const [from = 0, until = 0] = [starts[0], starts.at(-1)]
    const moment = fc.oneof(
      fc
        .tuple(
          fc.constantFrom(...starts.slice(0, -1)),
          fc.constantFrom(-1, 0, 0, 1, 45_000, HOUR_MS + 45_000),
        )
        .map(([start, after]) => start + after),
      fc.integer({ min: from, max: until - 1 }),
    )
    return fc
      .record({
        method: fc.constantFrom<ModelMethod>('average', 'fifo', 'lifo'),
        baseCurrency: isPlain
          ? fc.constant('USD')
          : fc.constantFrom('USD', 'USD', 'USD', 'USD', 'USD', 'BTC'),
        initialEquity: fc.constantFrom('0', '1000', '1000', '250000.5', '0.000000001'),
        registeredAt: fc.oneof(fc.constant(null), moment),
        now: isPlain
          ? fc.constant(until)
          : fc.oneof(moment, fc.constant(until), fc.constant(until + 50 * HOUR_MS)),
        ledgers: fc.array(ledgerWithin(moment, isPlain), { maxLength: 3 }),
        flows: fc.array(flow(moment, isPlain), { maxLength: 8 }),
        closes: fc.array(close(from, until), { maxLength: 50, size: 'max' }),
      })
      .map(({ ledgers, flows, closes, registeredAt, method, ...rest }) => ({
        ...rest,
        method,
        zone,
        registeredAt,
        ledgers: ledgers.map(({ mark, facts }, i) => ({
          mark,
          facts: { ...facts, method },
          symbol: `S${i}`,
        })),
        flows: flows.map((each, i) => ({ ...each, id: `flow-${i}` })),
        closes: distinct(closes, (each) => String(each.closesAt)).filter(
          ({ symbol }) => symbol === BNB.symbol || ledgers[Number(symbol.slice(1))] !== undefined,
        ),
        pairs: [BNB],
      }))
  })
}

/** What some fees are paid in. */
const BNB = { symbol: 'BNB', base: 'BNB', quote: 'USD' }

function distinct<T>(all: readonly T[], keyOf: (one: T) => string): T[] {
  return [...new Map(all.map((one) => [keyOf(one), one])).values()]
}

/** A random ledger whose moments are replaced by others in the same order. */
function ledgerWithin(
  moment: fc.Arbitrary<number>,
  isPlain: boolean,
): fc.Arbitrary<Omit<DailyLedger, 'symbol'>> {
  return fc
    .record({
      facts: arbitraryLedger({ maxFills: 14, ...(isPlain && { kinds: ['spot', 'linear'] as const }) }),
      moments: fc.uniqueArray(moment, { minLength: 7, maxLength: 7 }),
      mark: fc.option(fc.record({ price: price(), at: moment }), { nil: undefined, freq: 3 }),
      knowsFees: isPlain ? fc.constant(true) : fc.nat(4).map((drawn) => drawn > 0),
    })
    .map(({ facts, moments, mark, knowsFees }) => {
      const moved = moveTo(
        knowsFees ? { ...facts, fills: facts.fills.map(withKnownFee) } : facts,
        [...moments].sort((a, b) => a - b),
      )
      const open = replayModel(moved).cycles.find(({ status }) => status === 'open')
      const isMarked = mark !== undefined && open !== undefined && mark.at > open.openedAt
      return { facts: moved, mark: isMarked ? mark : undefined }
    })
}

/** A fee in a foreign currency is worth what it is reported to be, or 1.5. */
function withKnownFee(fill: ModelFill): ModelFill {
  const isForeign = fill.feeCurrency !== 'USD' && fill.feeCurrency !== 'BTC'
  return isForeign && Number(fill.fee) !== 0
    ? { ...fill, feeInSettlement: fill.feeInSettlement ?? '1.5' }
    : fill
}

function moveTo(facts: ModelFacts, moments: readonly number[]): ModelFacts {
  const old = [...facts.fills.map(({ executedAt }) => executedAt), ...facts.funding.map(({ at }) => at)]
  const inOrder = [...new Set(old)].sort((a, b) => a - b)
  const moved = (at: number) => moments[inOrder.indexOf(at)] ?? Number.NaN
  return {
    ...facts,
    fills: facts.fills.map((fill) => ({ ...fill, executedAt: moved(fill.executedAt) })),
    funding: facts.funding.map((payment) => ({ ...payment, at: moved(payment.at) })),
  }
}

function price(): fc.Arbitrary<string> {
  return fc.oneof(
    fc.integer({ min: 1, max: 6 }).map(String),
    fc.integer({ min: 1, max: 99_999 }).map((units) => Rational.of(BigInt(units), 1000n).toText()),
  )
}

function flow(moment: fc.Arbitrary<number>, isPlain: boolean): fc.Arbitrary<Omit<DailyFlow, 'id'>> {
  return fc
    .record({
      kind: fc.constantFrom<DailyFlow['kind']>(
        'deposit',
        'deposit',
        'withdrawal',
        'transfer',
        'interest',
        'rebate',
        'fee',
        'adjustment',
      ),
      currency: isPlain
        ? fc.constant('USD')
        : fc.constantFrom('USD', 'USD', 'USD', 'USD', 'USD', 'USD', 'USD', 'BTC', 'BNB'),
      units: fc.integer({ min: -5_000, max: 5_000 }),
      at: moment,
    })
    .map(({ units, ...rest }) => {
      const size = BigInt(Math.abs(units))
      const sign = rest.kind === 'deposit' || (rest.kind !== 'withdrawal' && units > 0) ? 1n : -1n
      return { ...rest, amount: Rational.of(sign * size, 10n).toText() }
    })
}

/** Of a whole hour, and mostly not longer than a day before something. */
function close(from: number, until: number): fc.Arbitrary<DailyClose> {
  const first = Math.floor(from / HOUR_MS)
  return fc.record({
    symbol: fc.constantFrom('S0', 'S0', 'S1', 'S2', BNB.symbol),
    close: price(),
    closesAt: fc.integer({ min: first, max: Math.ceil(until / HOUR_MS) }).map((hour) => hour * HOUR_MS),
  })
}

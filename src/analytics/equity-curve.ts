import type { Database } from '../db/database.ts'
import type { Decimal } from '../db/decimal.ts'
import { readLimit } from '../db/page.ts'
import { chainDays, daysBetween, momentOf, readDays, readMembers } from './performance-days.ts'
import { fallsOf } from './performance-returns.ts'
import { type DayRange, readDayRange } from './ranges.ts'
import type { Scope } from './scope.ts'

/** An account at the end of a stored day. Money is in base currency; null where a part of it is not known. */
export interface EquityCurvePoint {
  readonly day: string
  readonly equity: Decimal | null
  /** Deposits and transfers less withdrawals of the day; of a fleet, also what a bot begins with. */
  readonly externalFlows: Decimal | null
  /** Of them, what came before any trade. */
  readonly flowsAtStart: Decimal | null
  /** Realised. */
  readonly netPnl: Decimal | null
  /** With the change of what is unrealised. */
  readonly totalPnl: Decimal | null
  /** Flow-adjusted: 0.05 is five per cent. After days of unknown equity, that of the whole gap. Null where it is not known. */
  readonly returnFraction: number | null
  /** The product of 1 + return: what one unit of currency became since the start of the range. */
  readonly growth: number
  /** Below the peak of growth since then: 0.2 is a fifth. */
  readonly drawdownFraction: number
  /** What was lost since the latest day at the peak, without flows. Carried over days of unknown equity, as the one above is. */
  readonly drawdownAmount: Decimal
}

export type EquityCurveInput = Scope & DayRange

/**
 * Returns the equity of a bot or a fleet at the end of each stored day, oldest first, with what it grew by and lost. Growth is 1 at the start of
 * the first day: the same day has another growth in another range.
 *
 * Days come from `calculateDailyPnl`: one that was never calculated has no point. Empty where none was. The whole range is read at once; a year
 * is 365 points.
 *
 * @throws `not_found` if the bot is not registered, or no bot is in the fleet.
 * @throws `invalid_input` naming the field; `fleet.baseCurrency` where the bots of the mode count in several.
 */
export async function getEquityCurve(db: Database, input: EquityCurveInput): Promise<EquityCurvePoint[]> {
  const range = readDayRange(input)
  const members = await readMembers(db, input)
  return chainDays(await readDays(db, members, range)).map((day) => {
    const { equity, externalFlows, flowsAtStart, netPnl, totalPnl } = day
    const { returnFraction, growth, drawdownFraction, drawdownAmount } = day
    return {
      ...{ day: day.day, equity, externalFlows, flowsAtStart, netPnl, totalPnl },
      ...{ returnFraction, growth, drawdownFraction, drawdownAmount },
    }
  })
}

/** A fall of growth from a peak, by the days at whose ends the account was there. */
export interface DrawdownPeriod {
  /** The last day at the peak: the day before the first of the range, where it began there. */
  readonly peakOn: string
  /** The day on which it was deepest, the first such day. */
  readonly troughOn: string
  /** The day on which growth was back at the peak; null while it is not. */
  readonly recoveredOn: string | null
  /** Below the peak at the trough: 0.2 is a fifth. */
  readonly fraction: number
  /** What was lost from peak to trough, without flows, in base currency. */
  readonly amount: Decimal
  /** From the peak to the recovery, or to the last stored day. */
  readonly lengthDays: number
  /** From the trough to the recovery; null while there is none. */
  readonly recoveryDays: number | null
}

export type GetDrawdownsInput = EquityCurveInput & {
  /** At most: 1 to 1,000, 100 unless said otherwise. */
  readonly limit?: number | undefined
}

/**
 * Returns the drawdowns of a bot or a fleet, deepest first, and of equally deep ones the first. The start of the range is the first peak, so a
 * loss on its first day counts. A fall of up to 1e-12 is none: so much is rounding.
 *
 * @throws as `getEquityCurve` does.
 */
export async function getDrawdowns(db: Database, input: GetDrawdownsInput): Promise<DrawdownPeriod[]> {
  const limit = readLimit(input.limit)
  const range = readDayRange(input)
  const members = await readMembers(db, input)
  const days = chainDays(await readDays(db, members, range))
  const lastDay = days.at(-1)?.day ?? ''
  return fallsOf(days)
    .slice(0, limit)
    .map((fall) => {
      const { recoveredOn, peakOn, troughOn } = fall
      return {
        ...fall,
        lengthDays: daysBetween(momentOf(peakOn), momentOf(recoveredOn ?? lastDay)),
        recoveryDays: recoveredOn === null ? null : daysBetween(momentOf(troughOn), momentOf(recoveredOn)),
      }
    })
}

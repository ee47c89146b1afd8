import type { DrawdownPeriod, EquityCurvePoint } from '../equity-curve.ts'
import type { Performance } from '../performance.ts'

/** All that a sheet shows. The page is made of it alone, so it can be made without a database. */
export interface TearSheetData {
  /** A bot's name, a fleet's currency and mode, or what the caller said. */
  readonly title: string
  /** Of whom it is: exchange, strategy, zone and so on. */
  readonly facts: readonly { readonly name: string; readonly value: string }[]
  readonly baseCurrency: string
  /** What was asked for, as days; null: without that bound. */
  readonly from: string | null
  readonly to: string | null
  /** By symbol, as `getPerformance` returns it. */
  readonly performance: Performance
  /** One per stored day, oldest first. */
  readonly points: readonly EquityCurvePoint[]
  /** Deepest first. */
  readonly drawdowns: readonly DrawdownPeriod[]
  /** Net of each trade whose net is known, as doubles: only to be counted in bins. */
  readonly nets: readonly number[]
  /** How many decimals amounts are shown with. */
  readonly decimals: number
  readonly madeAt: Date
}

import type { EquityCurvePoint } from '../equity-curve.ts'

/** What a month, or a year, returned: the product of 1 + return of its days, less 1. */
export interface PeriodCell {
  /** Null where no day of it has a return. */
  readonly returnFraction: number | null
  /** How many days have a return. */
  readonly dayCount: number
  /** Days of unknown equity. The return of the next known day is of them too. */
  readonly unknownDays: number
}

export interface YearOfMonths {
  readonly year: string
  /** January first, twelve of them. Undefined where no day of the month is stored. */
  readonly months: readonly (PeriodCell | undefined)[]
  readonly total: PeriodCell
}

type Day = Pick<EquityCurvePoint, 'day' | 'returnFraction' | 'equity'>

/** Returns what each month and year of the days returned, oldest year first. */
export function monthlyReturns(days: readonly Day[]): YearOfMonths[] {
  return groupBy(days, (day) => day.slice(0, 4)).map(([year, ofYear]) => {
    const months = new Array<PeriodCell | undefined>(12).fill(undefined)
    for (const [month, ofMonth] of groupBy(ofYear, (day) => day.slice(5, 7))) {
      months[MONTHS.indexOf(month)] = compound(ofMonth)
    }
    return { year, months, total: compound(ofYear) }
  })
}

const MONTHS = ['01', '02', '03', '04', '05', '06', '07', '08', '09', '10', '11', '12']

function groupBy(days: readonly Day[], keyOf: (day: string) => string): [string, Day[]][] {
  const groups = new Map<string, Day[]>()
  for (const one of days) {
    const key = keyOf(one.day)
    const group = groups.get(key)
    if (group) group.push(one)
    else groups.set(key, [one])
  }
  return [...groups]
}

function compound(days: readonly Day[]): PeriodCell {
  const returns = days.flatMap(({ returnFraction }) => (returnFraction === null ? [] : [returnFraction]))
  const growth = returns.reduce((product, one) => product * (1 + one), 1)
  return {
    returnFraction: returns.length === 0 ? null : growth - 1,
    dayCount: returns.length,
    unknownDays: days.filter(({ equity }) => equity === null).length,
  }
}

/** Where the colour of a cell changes, as fractions. */
export const HEAT_STEPS = [0.01, 0.03, 0.06, 0.1] as const

/** Returns how strong the colour of a return is: 0 for exactly none, then 1 to 5, negative for a loss. */
export function heatOf(returnFraction: number): number {
  if (returnFraction === 0) return 0
  const size = Math.abs(returnFraction)
  const strength = 1 + HEAT_STEPS.filter((step) => size >= step).length
  return returnFraction < 0 ? -strength : strength
}

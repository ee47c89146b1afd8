import { toName } from '../db/columns.ts'
import { type Amount, type Decimal, toDecimal, toPositive } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { FLEET_RULE_PREFIX } from './effective-settings.ts'
import { type BreakerRuleInput, nameOfRule } from './schema/breaker-rules.ts'
import { riskSettings } from './schema/settings.ts'

/** What may be set. Undefined keeps what is set; null removes a limit. */
export interface RiskLimitsInput {
  /** False: nobody, or not this bot, places an entry. */
  readonly tradingEnabled?: boolean | undefined
  /** An entry must come with at least this confidence, 0 to 1. */
  readonly minConfidence?: number | null | undefined
  /** Of one order, in the bot's base currency. Not negative. */
  readonly maxOrderNotional?: Amount | null | undefined
  /** Of one order, in base currency of the symbol or contracts. Not negative. */
  readonly maxQuantity?: Amount | null | undefined
  /** Symbols held or about to be held at once. */
  readonly maxOpenPositions?: number | null | undefined
  /** Of all positions and pending entries together, in the bot's base currency. Not negative. */
  readonly maxExposure?: Amount | null | undefined
  /** Exposure / equity. Not negative. */
  readonly maxLeverage?: Amount | null | undefined
  /** Realised net loss of the bot's day that stops entries, in its base currency. Positive. */
  readonly maxDailyLoss?: Amount | null | undefined
  /** Drawdown that stops entries, above 0 and up to 1: 0.2 is a fifth below the peak. */
  readonly maxDrawdownFraction?: Amount | null | undefined
  /** True: the drawdown trips a circuit breaker as well, which only a human resolves. */
  readonly haltOnDrawdown?: boolean | undefined
  /** Realised net profit of the bot's day that is enough, in its base currency. Positive. */
  readonly dailyTarget?: Amount | null | undefined
  /** True: no more entries on a day that reached its target. */
  readonly stopAtDailyTarget?: boolean | undefined
  /** The watchlist. Null: any symbol. Empty: none. */
  readonly allowedSymbols?: readonly string[] | null | undefined
  /** True: symbols beside the watchlist may be traded too. */
  readonly offWatchlistAllowed?: boolean | undefined
  readonly maxOrdersPerMinute?: number | null | undefined
  /** Older prices are no prices. Null: 1 hour, unless the other side sets one. */
  readonly maxPriceAgeMs?: number | null | undefined
  /** Older observations of equity do not count. Null: 1 hour, unless the other side sets one. */
  readonly maxEquityAgeMs?: number | null | undefined
  /** What evaluateCircuitBreakers watches. Each has a name of its own, which is its trigger unless given. */
  readonly breakerRules?: readonly BreakerRuleInput[] | undefined
}

type LimitKey = keyof RiskLimitsInput
type Given<Key extends LimitKey> = Exclude<RiskLimitsInput[Key], null | undefined>

const READERS: { readonly [Key in LimitKey]-?: (value: Given<Key>, field: string) => string } = {
  tradingEnabled: flag,
  minConfidence: fraction,
  maxOrderNotional: notNegative,
  maxQuantity: notNegative,
  maxOpenPositions: count,
  maxExposure: notNegative,
  maxLeverage: notNegative,
  maxDailyLoss: positive,
  maxDrawdownFraction: drawdown,
  haltOnDrawdown: flag,
  dailyTarget: positive,
  stopAtDailyTarget: flag,
  allowedSymbols: symbols,
  offWatchlistAllowed: flag,
  maxOrdersPerMinute: count,
  maxPriceAgeMs: age,
  maxEquityAgeMs: age,
  breakerRules: rules,
}

export const LIMIT_KEYS = Object.keys(READERS) as readonly LimitKey[]

/** The text of each column that is to change, null where a limit is removed. */
export type LimitsPatch = Readonly<Record<string, string | null>>

/** @throws `invalid_input` naming the field and its value. */
export function readLimits(input: RiskLimitsInput): LimitsPatch {
  const patch: Record<string, string | null> = {}
  for (const key of LIMIT_KEYS) {
    const value = input[key]
    if (value === undefined) continue
    const column = riskSettings[key]
    if (value === null) {
      if (column.notNull) throw refused(key, 'null', 'cannot be removed: say what it is')
      patch[column.name] = null
    } else {
      // The reader of a key takes the values of that key, which a loop over keys cannot say.
      patch[column.name] = (READERS[key] as (value: unknown, field: string) => string)(value, key)
    }
  }
  return patch
}

/** What a first version holds where nothing is said. Whether the fleet trades must be said. */
export function firstLimits(isOfBot: boolean): LimitsPatch {
  return {
    ...(isOfBot ? { [riskSettings.tradingEnabled.name]: 'true' } : {}),
    [riskSettings.haltOnDrawdown.name]: 'true',
    [riskSettings.stopAtDailyTarget.name]: 'true',
    [riskSettings.offWatchlistAllowed.name]: 'false',
    [riskSettings.breakerRules.name]: '[]',
  }
}

function refused(field: string, value: string, why: string): DataError {
  return new DataError('invalid_input', `${field} ${value.slice(0, 60)} ${why}`, { field })
}

function flag(value: boolean, field: string): string {
  if (typeof value === 'boolean') return String(value)
  throw refused(field, `'${String(value)}'`, 'is neither true nor false')
}

function fraction(value: number, field: string): string {
  if (typeof value === 'number' && value >= 0 && value <= 1) return String(value)
  throw refused(field, String(value), 'is not a number from 0 to 1')
}

// Of the columns, which are 32-bit integers.
const INTEGER_MAX = 2_147_483_647

function count(value: number, field: string): string {
  if (Number.isInteger(value) && value >= 0 && value <= INTEGER_MAX) return String(value)
  throw refused(field, String(value), `is not a whole number from 0 to ${INTEGER_MAX}`)
}

function age(value: number, field: string): string {
  if (Number.isInteger(value) && value >= 1 && value <= INTEGER_MAX) return String(value)
  throw refused(field, String(value), `is not a whole number of milliseconds from 1 to ${INTEGER_MAX}`)
}

function notNegative(value: Amount, field: string): string {
  const amount = toDecimal(value, field)
  if (amount.isNegative()) throw refused(field, amount.toFixed(), 'is negative')
  return amount.toFixed()
}

function positive(value: Amount, field: string): string {
  return toPositive(value, field).toFixed()
}

function drawdown(value: Amount, field: string): string {
  const amount: Decimal = toPositive(value, field)
  if (amount.gt(1)) throw refused(field, amount.toFixed(), 'is above 1, which is all there is')
  return amount.toFixed()
}

function symbols(value: readonly string[], field: string): string {
  if (!Array.isArray(value)) throw refused(field, `'${String(value)}'`, 'is not a list of symbols')
  const names = value.map((symbol: string, i) => toName(symbol, `${field}[${i}]`))
  return JSON.stringify([...new Set(names)])
}

/** What trips are called that come of no rule of the bot. */
const RESERVED_PREFIXES = ['settings:', FLEET_RULE_PREFIX, 'manual:']

function rules(value: readonly BreakerRuleInput[], field: string): string {
  const text = String(riskSettings.breakerRules.mapToDriverValue(value))
  for (const rule of value) {
    const name = nameOfRule(rule)
    if (name.trim() === '') throw refused(field, `'${name}'`, 'names a rule')
    const prefix = RESERVED_PREFIXES.find((reserved) => name.startsWith(reserved))
    if (prefix) throw refused(field, `'${name}'`, `begins with ${prefix}, which is kept for other trips`)
  }
  return text
}

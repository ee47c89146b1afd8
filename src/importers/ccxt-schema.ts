import { z } from 'zod'

// What ccxt's unified objects hold, as far as it is read here. Unknown keys pass; a known one of a wrong type is refused.
// Undefined and null both mean that the exchange did not say: Python's ccxt writes null.

/** What is wrong with a value that should have been something else. */
export const complaint =
  (wanted: string) =>
  ({ input }: { input?: unknown }): string =>
    input === undefined || input === null ? 'is missing' : `is ${shown(input)}, not ${wanted}`

function shown(value: unknown): string {
  if (typeof value === 'string') return `'${value.length > 60 ? `${value.slice(0, 60)}…` : value}'`
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  return Array.isArray(value) ? 'an array' : `of type ${typeof value}`
}

/** A plain decimal number, perhaps with an exponent. */
export const NUMBER_PATTERN = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d{1,3})?$/i

// Text too: ccxt gives all its numbers as text to those who ask for it.
const number = z.custom<number | string>(
  (value) => (typeof value === 'string' ? NUMBER_PATTERN.test(value) : Number.isFinite(value)),
  { error: complaint('a finite number') },
)
const text = z.string({ error: complaint('text') })
const name = text.refine((value) => value.trim() !== '', { error: 'is empty' })
const yesOrNo = z.boolean({ error: complaint('true or false') })
const milliseconds = z.int({ error: complaint('a whole number of milliseconds') })
const oneOf = <const Value extends string>(values: readonly Value[]) =>
  z.enum(values, { error: complaint(`one of ${values.join(', ')}`) })

/** The value of a field of ccxt that holds a number. */
export type CcxtNumber = number | string

const moment = { timestamp: milliseconds.nullish(), datetime: text.nullish() }

const feeSchema = z.looseObject(
  { cost: number.nullish(), currency: text.nullish() },
  { error: complaint('an object') },
)
export type CcxtFee = z.output<typeof feeSchema>

const object = <Shape extends z.ZodRawShape>(shape: Shape) =>
  z.looseObject({ info: z.unknown().optional(), ...shape }, { error: complaint('an object') })

export const tradeSchema = object({
  ...moment,
  id: text.nullish(),
  order: text.nullish(),
  symbol: name,
  side: oneOf(['buy', 'sell']),
  takerOrMaker: oneOf(['taker', 'maker']).nullish(),
  price: number,
  amount: number,
  fee: feeSchema.nullish(),
  fees: z.array(feeSchema, { error: complaint('an array') }).nullish(),
})
export type CcxtTrade = z.output<typeof tradeSchema>

export const CCXT_ORDER_STATUSES = ['open', 'closed', 'canceled', 'canceling', 'expired', 'rejected'] as const
export type CcxtOrderStatus = (typeof CCXT_ORDER_STATUSES)[number]

export const orderSchema = object({
  ...moment,
  lastTradeTimestamp: milliseconds.nullish(),
  lastUpdateTimestamp: milliseconds.nullish(),
  id: text.nullish(),
  clientOrderId: text.nullish(),
  symbol: name,
  side: oneOf(['buy', 'sell']),
  type: text.nullish(),
  timeInForce: text.nullish(),
  status: oneOf(CCXT_ORDER_STATUSES).nullish(),
  price: number.nullish(),
  triggerPrice: number.nullish(),
  stopPrice: number.nullish(),
  stopLossPrice: number.nullish(),
  takeProfitPrice: number.nullish(),
  amount: number.nullish(),
  filled: number.nullish(),
  remaining: number.nullish(),
  reduceOnly: yesOrNo.nullish(),
  postOnly: yesOrNo.nullish(),
})
export type CcxtOrder = z.output<typeof orderSchema>

const limitSchema = z.looseObject({ min: number.nullish() }, { error: complaint('an object') }).nullish()

export const marketSchema = object({
  symbol: name,
  base: name,
  quote: name,
  settle: text.nullish(),
  type: text.nullish(),
  contract: yesOrNo.nullish(),
  option: yesOrNo.nullish(),
  contractSize: number.nullish(),
  active: yesOrNo.nullish(),
  precision: z
    .looseObject({ price: number.nullish(), amount: number.nullish() }, { error: complaint('an object') })
    .nullish(),
  limits: z
    .looseObject({ amount: limitSchema, cost: limitSchema }, { error: complaint('an object') })
    .nullish(),
})
export type CcxtMarket = z.output<typeof marketSchema>

/** A funding payment, a ledger entry, a deposit or withdrawal, or a transfer: told apart by what they hold. */
export const flowSchema = object({
  ...moment,
  id: text.nullish(),
  type: text.nullish(),
  direction: oneOf(['in', 'out']).nullish(),
  symbol: text.nullish(),
  code: text.nullish(),
  currency: text.nullish(),
  amount: number.nullish(),
  status: text.nullish(),
  fromAccount: text.nullish(),
  toAccount: text.nullish(),
  fee: feeSchema.nullish(),
})
export type CcxtFlow = z.output<typeof flowSchema>

/** A candle: an array of its time, prices and volume. What comes behind them is left alone. */
export const candleSchema = z
  .array(z.unknown(), { error: complaint('an array of timestamp, open, high, low, close and volume') })
  .transform(([timestamp, open, high, low, close, volume]) => ({ timestamp, open, high, low, close, volume }))
  .pipe(
    z.object({
      timestamp: milliseconds,
      open: number,
      high: number,
      low: number,
      close: number,
      volume: number,
    }),
  )
export type CcxtCandle = z.output<typeof candleSchema>

/** A rate of the past, or what an exchange says of the present one: told apart by what they hold. */
export const fundingRateSchema = object({
  ...moment,
  symbol: text.nullish(),
  fundingRate: number.nullish(),
  fundingTimestamp: milliseconds.nullish(),
  nextFundingRate: number.nullish(),
  nextFundingTimestamp: milliseconds.nullish(),
  markPrice: number.nullish(),
  indexPrice: number.nullish(),
  interval: text.nullish(),
})
export type CcxtFundingRate = z.output<typeof fundingRateSchema>

/** A rate with its time, alone or with the four zeros that a candle would need. */
export const datedRateSchema = z
  .array(z.unknown(), { error: complaint('an array of timestamp and rate') })
  .refine(({ length }) => length === 2 || length === 6, { error: 'has neither 2 nor 6 values', abort: true })
  .transform(([timestamp, rate]) => ({ timestamp, rate }))
  .pipe(z.object({ timestamp: milliseconds, rate: number }))

import { z } from 'zod'
import { SEVERITIES } from './values.ts'

export const BREAKER_TRIGGERS = [
  'max_daily_loss',
  'max_weekly_loss',
  'max_drawdown',
  'rapid_loss',
  'consecutive_losses',
  'stop_loss_cluster',
  'low_profit',
  'cooldown',
  'order_errors',
  'stale_heartbeat',
  'stale_market_data',
  'position_limit',
  'exchange_error',
  'network_issue',
  'manual',
] as const
export type BreakerTrigger = (typeof BREAKER_TRIGGERS)[number]

const amount = z.string().regex(/^\d{1,30}(?:\.\d{1,30})?$/, 'is not a decimal amount such as 250.50')
const signedAmount = z
  .string()
  .regex(/^-?\d{1,30}(?:\.\d{1,30})?$/, 'is not a decimal amount such as -250.50')
const fraction = z.number().gt(0).lte(1)
const count = z.int().min(1).max(10_000)
/** A hundred years at most. */
const durationMs = z.int().min(1).max(3_155_760_000_000)

/** Losses are counted over all of a bot, per symbol, or per symbol and side of the entry. */
const breadth = z.enum(['bot', 'symbol', 'side']).default('bot')

const common = {
  /** What the rule is called; unique among the rules of one settings row. The trigger, unless given. */
  name: z.string().min(1).max(100).optional(),
  /** How long a trip holds. Null: until a human resolves it. */
  cooldownMs: durationMs.nullable(),
  severity: z.enum(SEVERITIES).default('critical'),
  /** What happens when the rule trips again within `windowMs` of the end of its last trip. */
  escalation: z
    .object({
      /** Each further trip in a row holds this many times as long as the one before. */
      factor: z.number().min(1).max(100),
      /** This many trips in a row are by time; one more holds until a human resolves it. */
      humanAfter: count,
      windowMs: durationMs,
    })
    .optional(),
}

/** A loss, as an amount in base currency or as a fraction of the equity at the beginning of the time looked at. */
const loss = { limit: amount.optional(), fraction: fraction.optional() }
const LOSS_TRIGGERS: readonly string[] = ['max_daily_loss', 'max_weekly_loss', 'rapid_loss']

const ruleSchema = z
  .discriminatedUnion('trigger', [
    z.object({
      trigger: z.literal('max_daily_loss'),
      ...common,
      ...loss,
      scope: z.enum(['bot', 'global']).default('bot'),
    }),
    z.object({
      trigger: z.literal('max_weekly_loss'),
      ...common,
      ...loss,
      scope: z.enum(['bot', 'global']).default('bot'),
    }),
    z.object({
      trigger: z.literal('rapid_loss'),
      ...common,
      ...loss,
      windowMs: durationMs,
      scope: z.enum(['bot', 'global']).default('bot'),
    }),
    z.object({ trigger: z.literal('max_drawdown'), ...common, fraction }),
    z.object({
      trigger: z.literal('consecutive_losses'),
      ...common,
      count,
      /** A trade that gained or lost no more than this is passed over. */
      dust: amount.default('0'),
      scope: breadth,
    }),
    z.object({
      trigger: z.literal('stop_loss_cluster'),
      ...common,
      count,
      windowMs: durationMs,
      scope: breadth,
    }),
    z.object({
      trigger: z.literal('low_profit'),
      ...common,
      minTrades: count,
      windowMs: durationMs,
      /** The net PnL of the trades together must reach it. */
      requiredProfit: signedAmount.default('0'),
    }),
    /** After any close a symbol rests, from the close on. */
    z.object({ trigger: z.literal('cooldown'), ...common, cooldownMs: durationMs }),
    z.object({
      trigger: z.literal('order_errors'),
      ...common,
      /** The share of rejected orders. */
      fraction,
      minOrders: count,
      windowMs: durationMs,
    }),
    z.object({ trigger: z.literal('stale_heartbeat'), ...common, maxAgeMs: durationMs }),
    z.object({
      trigger: z.literal('stale_market_data'),
      ...common,
      maxAgeMs: durationMs,
      /** Of the bot's exchange. */
      symbols: z.array(z.string().min(1)).min(1),
    }),
  ])
  .refine((rule) => !LOSS_TRIGGERS.includes(rule.trigger) || 'limit' in rule || 'fraction' in rule, {
    message: 'needs a limit or a fraction',
  })

export const breakerRulesSchema = z
  .array(ruleSchema)
  .refine((rules) => new Set(rules.map(nameOfRule)).size === rules.length, {
    message: 'has two rules of one name: give them names',
  })

export type BreakerRule = z.output<typeof ruleSchema>
/** A rule as it is written, where what has a default may be left out. */
export type BreakerRuleInput = z.input<typeof ruleSchema>

/** What a rule is called in its trips. */
export function nameOfRule(rule: { readonly name?: string | undefined; readonly trigger: string }): string {
  return rule.name ?? rule.trigger
}

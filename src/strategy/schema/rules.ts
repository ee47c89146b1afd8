import { z } from 'zod'
import { WEEKDAYS } from '../../market/weekdays.ts'

const CLOCK_TIME = /^(?:[01]\d|2[0-3]):[0-5]\d$/
const TIME_ZONE = /^(?:UTC|[A-Za-z_]+(?:\/[A-Za-z0-9_+-]+)+)$/

function isKnownZone(name: string): boolean {
  if (!TIME_ZONE.test(name)) return false
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone !== ''
  } catch {
    // The only way that Intl has of saying no.
    return false
  }
}

/** When a strategy trades, by the clock on the wall of its time zone. */
export const sessionWindowSchema = z
  .strictObject({
    /** The first minute, as `07:00`. */
    start: z.string().regex(CLOCK_TIME, 'is no time as 07:00'),
    /** The first minute after it: up to `24:00`. Before `start`, the window goes over midnight. */
    end: z
      .string()
      .refine((text) => text === '24:00' || CLOCK_TIME.test(text), 'is no time as 11:00 or 24:00'),
    /** The days on which it begins. Every day if left out. */
    days: z.array(z.enum(WEEKDAYS)).min(1).optional(),
    /** `UTC` if left out; else an IANA zone as `Europe/Berlin`. */
    timeZone: z.string().refine(isKnownZone, 'is no IANA time zone such as Europe/Berlin').optional(),
  })
  .refine(({ start, end }) => start !== end, 'ends when it starts: a whole day is 00:00 to 24:00')
export type SessionWindow = z.output<typeof sessionWindowSchema>

/** Empty is always. */
export const sessionWindowsSchema = z.array(sessionWindowSchema)

const minutes = z.number().min(0).max(10_080)
const names = z.array(z.string().trim().min(1))

/** When and what a strategy does not trade, whatever else holds. */
export const forbiddenConditionsSchema = z.strictObject({
  /** How long before an event its embargo begins, 0 to a week. Without it and the next, there is no embargo. */
  highImpactNewsMinutesBefore: minutes.optional(),
  /** How long after an event it ends. */
  highImpactNewsMinutesAfter: minutes.optional(),
  /** Events of at least this impact. `high` if left out. */
  impact: z.enum(['low', 'medium', 'high']).optional(),
  /** Whose events count, in place of the instrument's currencies. */
  currencies: names.min(1).optional(),
  /** Symbols that it never trades. */
  blockedSymbols: names.optional(),
  /** The symbols that an embargo holds for. All if left out. */
  blockedSymbolsDuringNews: names.optional(),
})
export type ForbiddenConditions = z.output<typeof forbiddenConditionsSchema>

/** What a strategy may hold at most. */
export const riskCapsSchema = z.strictObject({
  /** Of one order, in base currency or contracts, as decimal text. */
  maxQuantity: z
    .string()
    .regex(/^\d{1,30}(?:\.\d{1,30})?$/, "is no amount as decimal text, as '0.5'")
    .optional(),
  maxOpenPositions: z.int().min(0).optional(),
})
export type RiskCaps = z.output<typeof riskCapsSchema>

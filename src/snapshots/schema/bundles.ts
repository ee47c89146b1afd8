import { sql } from 'drizzle-orm'
import {
  check,
  doublePrecision,
  foreignKey,
  index,
  pgSchema,
  primaryKey,
  text,
  uuid,
} from 'drizzle-orm/pg-core'
import { z } from 'zod'
import { instant, isNotBlank, isOneOf, json, label, NOW } from '../../db/columns.ts'
import { bots } from '../../fleet/schema.ts'
import { TIMEFRAMES } from '../../market/timeframes.ts'

export const snapshots = pgSchema('snapshots')

export const SNAPSHOT_REASONS = [
  'decision',
  'trade_idea',
  'trade_open',
  'trade_close',
  'periodic',
  'manual',
] as const
export type SnapshotReason = (typeof SNAPSHOT_REASONS)[number]

/** What a snapshot asks for. */
export const SNAPSHOT_SOURCES = [
  'instrument',
  'market',
  'funding_rate',
  'indicators',
  'calendar',
  'news',
  'account',
] as const

/**
 * Why something is not in a snapshot: there was `none`; the newest was `stale`; it was `changed_since`, so that what it said then is not known any more;
 * or there were `too_many`, of which the nearest in time are there.
 */
export const MISSING_WHYS = ['none', 'stale', 'changed_since', 'too_many'] as const

/** One thing that was asked for and is not in the snapshot. */
export const missingSchema = z.strictObject({
  source: z.enum(SNAPSHOT_SOURCES),
  why: z.enum(MISSING_WHYS),
  symbol: z.string().optional(),
  timeframe: z.enum(TIMEFRAMES).optional(),
  currency: z.string().optional(),
  /** Of what is stale: the time of the newest there was. ISO, in UTC. */
  lastAt: z.string().optional(),
  /** How many were changed since, or are left out. */
  count: z.number().int().optional(),
})
export const missingListSchema = z.array(missingSchema)
export type MissingFromSnapshot = z.output<typeof missingSchema>

/** Further off, nobody looks. */
export const SNAPSHOT_HOURS_MAX: number = 24 * 31

/**
 * One moment, and why it was kept: what a bot knew then is in the tables beside it, which refer to this one. Append-only.
 *
 * The tables hold copies: what is later learnt, corrected or removed changes nothing in them. Each copy bears the time of its source, so its age is
 * `captured_at` less that.
 */
export const bundles = snapshots.table(
  'bundles',
  {
    botId: label('bot_id').notNull(),
    id: uuid('id').notNull(),
    reason: label('reason', SNAPSHOT_REASONS).notNull(),
    /** Null where nobody said more. */
    note: label('note'),
    exchange: label('exchange').notNull(),
    symbols: text('symbols').array().notNull(),
    timeframes: text('timeframes').array().notNull(),
    /** Events of the calendar from now on for so long, and from `news_hours` ago. */
    calendarHours: doublePrecision('calendar_hours').notNull(),
    /** Headlines of so long. */
    newsHours: doublePrecision('news_hours').notNull(),
    /** The moment that everything is of. */
    capturedAt: instant('captured_at').notNull(),
    /** Nothing is in it that was recorded later. */
    recordedUntil: instant('recorded_until').notNull(),
    /** When the newest headline of all was published, and the last known event of the calendar is: an empty list tells little where these are old. */
    newsUntil: instant('news_until'),
    calendarUntil: instant('calendar_until'),
    /** What was asked for and is not there. */
    missing: json('missing', missingListSchema).notNull(),
    recordedAt: instant('recorded_at').notNull().default(NOW),
  },
  (bundle) => [
    primaryKey({ name: 'bundles_pkey', columns: [bundle.botId, bundle.id] }),
    foreignKey({ name: 'bundles_bot_id_fkey', columns: [bundle.botId], foreignColumns: [bots.botId] }),
    // Serves listSnapshots: newest first for one bot.
    index('bundles_captured_at_idx').on(
      bundle.botId,
      bundle.capturedAt.desc().nullsFirst(),
      bundle.id.desc().nullsFirst(),
    ),
    check('bundles_reason_check', isOneOf(bundle.reason, SNAPSHOT_REASONS)),
    check('bundles_exchange_check', isNotBlank(bundle.exchange)),
    check(
      'bundles_symbols_check',
      sql`cardinality(${bundle.symbols}) between 1 and 100 and array_position(${bundle.symbols}, null) is null`,
    ),
    check(
      'bundles_timeframes_check',
      sql`${bundle.timeframes} <@ array[${sql.raw(TIMEFRAMES.map((one) => `'${one}'`).join(', '))}] and cardinality(${bundle.timeframes}) > 0`,
    ),
    check(
      'bundles_calendar_hours_check',
      sql`${bundle.calendarHours} between 0 and ${sql.raw(String(SNAPSHOT_HOURS_MAX))}`,
    ),
    check(
      'bundles_news_hours_check',
      sql`${bundle.newsHours} between 0 and ${sql.raw(String(SNAPSHOT_HOURS_MAX))}`,
    ),
    check('bundles_missing_check', sql`jsonb_typeof(${bundle.missing}) = 'array'`),
  ],
)

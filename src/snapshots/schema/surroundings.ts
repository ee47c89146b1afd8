import { sql } from 'drizzle-orm'
import { check, doublePrecision, foreignKey, integer, primaryKey, text, uuid } from 'drizzle-orm/pg-core'
import { decimal, instant, isFiniteAmount, isNotBlank, isOneOf, label } from '../../db/columns.ts'
import { IMPACTS } from '../../market/schema/events.ts'
import { bundles, snapshots } from './bundles.ts'

/** An event of the economic calendar as it was known when a snapshot was taken. Append-only. */
export const snapshotCalendar = snapshots.table(
  'calendar',
  {
    botId: label('bot_id').notNull(),
    bundleId: uuid('bundle_id').notNull(),
    /** Of the event in the calendar; no reference, since that may be removed. */
    eventId: uuid('event_id').notNull(),
    source: label('source').notNull(),
    eventTime: instant('event_time').notNull(),
    /** Whose economy it is about, as USD. */
    currency: label('currency').notNull(),
    impact: label('impact', IMPACTS).notNull(),
    title: label('title').notNull(),
    /** Figures as published, with their unit: `3.2%`. Null while they were not known; the actual one always is of what was to come. */
    previous: label('previous'),
    forecast: label('forecast'),
    actual: label('actual'),
    /** When it was recorded as it is here. */
    recordedAt: instant('recorded_at').notNull(),
  },
  (one) => [
    primaryKey({ name: 'calendar_pkey', columns: [one.botId, one.bundleId, one.eventId] }),
    foreignKey({
      name: 'calendar_bundle_id_fkey',
      columns: [one.botId, one.bundleId],
      foreignColumns: [bundles.botId, bundles.id],
    }),
    check('calendar_currency_check', isNotBlank(one.currency)),
    check('calendar_impact_check', isOneOf(one.impact, IMPACTS)),
    check('calendar_title_check', isNotBlank(one.title)),
  ],
)

/** A headline as it was known when a snapshot was taken. Append-only. */
export const snapshotNews = snapshots.table(
  'news',
  {
    botId: label('bot_id').notNull(),
    bundleId: uuid('bundle_id').notNull(),
    /** Of the headline where news are kept; no reference, since that may be removed. */
    newsId: uuid('news_id').notNull(),
    source: label('source').notNull(),
    headline: label('headline').notNull(),
    /** The symbols and currencies that it is about. */
    symbols: text('symbols').array().notNull(),
    /** −1, bad for them, to 1, good. Null if nobody had judged. */
    sentimentScore: doublePrecision('sentiment_score'),
    publishedAt: instant('published_at').notNull(),
    /** When it was recorded as it is here. */
    recordedAt: instant('recorded_at').notNull(),
  },
  (one) => [
    primaryKey({ name: 'news_pkey', columns: [one.botId, one.bundleId, one.newsId] }),
    foreignKey({
      name: 'news_bundle_id_fkey',
      columns: [one.botId, one.bundleId],
      foreignColumns: [bundles.botId, bundles.id],
    }),
    check('news_headline_check', isNotBlank(one.headline)),
    check('news_sentiment_score_check', sql`${one.sentimentScore} between -1 and 1`),
  ],
)

/**
 * What the account held of one currency as it was known when a snapshot was taken. Append-only. Amounts are in `currency`; null where nobody had told.
 */
export const snapshotAccount = snapshots.table(
  'account',
  {
    botId: label('bot_id').notNull(),
    bundleId: uuid('bundle_id').notNull(),
    exchange: label('exchange').notNull(),
    currency: label('currency').notNull(),
    balance: decimal('balance').notNull(),
    equity: decimal('equity'),
    marginUsed: decimal('margin_used'),
    marginFree: decimal('margin_free'),
    /** Of positions settled in it: as the exchange said with the balance, else by the marks of all of them. */
    openPnl: decimal('open_pnl'),
    /** Positions of the bot on the exchange that were open and are settled in it. */
    openPositions: integer('open_positions').notNull(),
    /** When the exchange said so. */
    takenAt: instant('taken_at').notNull(),
  },
  (one) => [
    primaryKey({ name: 'account_pkey', columns: [one.botId, one.bundleId, one.exchange, one.currency] }),
    foreignKey({
      name: 'account_bundle_id_fkey',
      columns: [one.botId, one.bundleId],
      foreignColumns: [bundles.botId, bundles.id],
    }),
    check('account_exchange_check', isNotBlank(one.exchange)),
    check('account_currency_check', isNotBlank(one.currency)),
    check('account_balance_check', isFiniteAmount(one.balance)),
    check('account_equity_check', isFiniteAmount(one.equity)),
    check('account_margin_used_check', isFiniteAmount(one.marginUsed)),
    check('account_margin_free_check', isFiniteAmount(one.marginFree)),
    check('account_open_pnl_check', isFiniteAmount(one.openPnl)),
    check('account_open_positions_check', sql`${one.openPositions} >= 0`),
  ],
)

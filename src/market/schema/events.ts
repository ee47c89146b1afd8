import { sql } from 'drizzle-orm'
import { check, doublePrecision, index, primaryKey, text, unique, uuid } from 'drizzle-orm/pg-core'
import { instant, isNotBlank, isOneOf, label, NOW } from '../../db/columns.ts'
import { isKey, market } from './values.ts'

/**
 * One headline of one source. A later report of the same headline replaces it.
 */
export const news = market.table(
  'news',
  {
    id: uuid('id').notNull(),
    source: label('source').notNull(),
    /** The source's own id or address; where it has none, made of headline and time. */
    externalId: label('external_id').notNull(),
    headline: label('headline').notNull(),
    summary: label('summary'),
    url: label('url'),
    /** The symbols and currencies that it is about, as the caller writes them. */
    symbols: text('symbols').array().notNull().default(sql`'{}'::text[]`),
    /** −1, bad for them, to 1, good. Null if nobody judged. */
    sentimentScore: doublePrecision('sentiment_score'),
    publishedAt: instant('published_at').notNull(),
    recordedAt: instant('recorded_at').notNull().default(NOW),
    updatedAt: instant('updated_at').notNull().default(NOW),
  },
  (one) => [
    primaryKey({ name: 'news_id_pkey', columns: [one.id] }),
    // Serves recordNews.
    unique('news_source_external_id_key').on(one.source, one.externalId),
    // Serves listNews: newest first.
    index('news_published_at_id_idx').on(one.publishedAt.desc().nullsFirst(), one.id.desc().nullsFirst()),
    // Serves listNews about given symbols.
    index('news_symbols_idx').using('gin', one.symbols),
    check('news_source_check', isKey(one.source)),
    check('news_external_id_check', isKey(one.externalId)),
    check('news_headline_check', isNotBlank(one.headline)),
    check('news_sentiment_score_check', sql`${one.sentimentScore} between -1 and 1`),
  ],
)

export const IMPACTS = ['low', 'medium', 'high'] as const
export type Impact = (typeof IMPACTS)[number]

/**
 * One event of the economic calendar. A later report of the same event replaces it: times move, figures come in.
 */
export const calendarEvents = market.table(
  'calendar_events',
  {
    id: uuid('id').notNull(),
    source: label('source').notNull(),
    /** The source's own id; where it has none, made of currency, title and day. */
    externalId: label('external_id').notNull(),
    eventTime: instant('event_time').notNull(),
    /** Whose economy it is about, as USD. */
    currency: label('currency').notNull(),
    impact: label('impact', IMPACTS).notNull(),
    title: label('title').notNull(),
    /** Figures as published, with their unit: `3.2%`, `250K`. Null until they are known. */
    previous: label('previous'),
    forecast: label('forecast'),
    actual: label('actual'),
    recordedAt: instant('recorded_at').notNull().default(NOW),
    updatedAt: instant('updated_at').notNull().default(NOW),
  },
  (one) => [
    primaryKey({ name: 'calendar_events_id_pkey', columns: [one.id] }),
    // Serves recordCalendarEvents.
    unique('calendar_events_source_external_id_key').on(one.source, one.externalId),
    // Serves listUpcomingEvents and isNewsEmbargo.
    index('calendar_events_event_time_id_idx').on(one.eventTime, one.id),
    check('calendar_events_source_check', isKey(one.source)),
    check('calendar_events_external_id_check', isKey(one.externalId)),
    check('calendar_events_currency_check', isKey(one.currency)),
    check('calendar_events_impact_check', isOneOf(one.impact, IMPACTS)),
    check('calendar_events_title_check', isNotBlank(one.title)),
  ],
)

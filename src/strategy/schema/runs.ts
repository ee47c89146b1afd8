import { sql } from 'drizzle-orm'
import {
  check,
  date,
  doublePrecision,
  foreignKey,
  index,
  integer,
  primaryKey,
  unique,
  uuid,
} from 'drizzle-orm/pg-core'
import { z } from 'zod'
import { instant, isNotBlank, isObject, json, label, NOW } from '../../db/columns.ts'
import { strategies } from './strategies.ts'
import { documentSchema, isKey, isList, strategy } from './values.ts'

const EMPTY = sql`'{}'::jsonb`

/** One run of a strategy over a symbol: how many signals it made, and how long it took. It never changes. */
export const strategyPerformance = strategy.table(
  'performance',
  {
    id: uuid('id').notNull(),
    strategyId: uuid('strategy_id').notNull(),
    symbol: label('symbol').notNull(),
    signalsCount: integer('signals_count').notNull(),
    executionMs: doublePrecision('execution_ms').notNull(),
    /** What went wrong; null for a run that went through. */
    error: label('error'),
    summary: json('summary', documentSchema).notNull().default(EMPTY),
    runAt: instant('run_at').notNull().default(NOW),
    recordedAt: instant('recorded_at').notNull().default(NOW),
  },
  (one) => [
    primaryKey({ name: 'performance_id_pkey', columns: [one.id] }),
    foreignKey({
      name: 'performance_strategy_id_fkey',
      columns: [one.strategyId],
      foreignColumns: [strategies.id],
    }),
    // Serves listStrategyPerformance: newest first.
    index('performance_strategy_id_run_at_id_idx').on(
      one.strategyId,
      one.runAt.desc().nullsFirst(),
      one.id.desc().nullsFirst(),
    ),
    check('performance_symbol_check', isKey(one.symbol)),
    check('performance_signals_count_check', sql`${one.signalsCount} >= 0`),
    check(
      'performance_execution_ms_check',
      sql`${one.executionMs} >= 0 and ${one.executionMs} < 'Infinity'::float8`,
    ),
    check('performance_error_check', isNotBlank(one.error)),
    check('performance_summary_check', isObject(one.summary)),
  ],
)

/** What was learned, of one strategy or of all. It never changes. */
export const insights = strategy.table(
  'insights',
  {
    id: uuid('id').notNull(),
    /** Null for what is about all of them. */
    strategyId: uuid('strategy_id'),
    kind: label('kind').notNull(),
    insights: json('insights', documentSchema).notNull(),
    /** Of the program that learned it: how much it tried, how long it took. */
    generationStatistics: json('generation_statistics', documentSchema).notNull().default(EMPTY),
    learnedAt: instant('learned_at').notNull().default(NOW),
    recordedAt: instant('recorded_at').notNull().default(NOW),
  },
  (one) => [
    primaryKey({ name: 'insights_id_pkey', columns: [one.id] }),
    foreignKey({
      name: 'insights_strategy_id_fkey',
      columns: [one.strategyId],
      foreignColumns: [strategies.id],
    }),
    // Serves listInsights: newest first.
    index('insights_learned_at_id_idx').on(one.learnedAt.desc().nullsFirst(), one.id.desc().nullsFirst()),
    check('insights_kind_check', isNotBlank(one.kind)),
    check('insights_insights_check', isObject(one.insights)),
    check('insights_generation_statistics_check', isObject(one.generationStatistics)),
  ],
)

/** Symbols in the order of choice, each with whatever speaks for it. */
export const selectedSymbolsSchema = z.array(
  z.object({ symbol: z.string().trim().min(1) }).catchall(z.json()),
)
export type SelectedSymbols = z.output<typeof selectedSymbolsSchema>

/** The symbols that were chosen for one day. A later choice of the day replaces it. */
export const selections = strategy.table(
  'selections',
  {
    id: uuid('id').notNull(),
    selectedOn: date('selected_on', { mode: 'string' }).notNull(),
    symbols: json('symbols', selectedSymbolsSchema).notNull(),
    /** How many they are. */
    total: integer('total').notNull(),
    selectedAt: instant('selected_at').notNull().default(NOW),
  },
  (one) => [
    primaryKey({ name: 'selections_id_pkey', columns: [one.id] }),
    // Serves recordSelection and getLatestSelection.
    unique('selections_selected_on_key').on(one.selectedOn),
    check('selections_symbols_check', isList(one.symbols)),
    check('selections_total_check', sql`${one.total} = jsonb_array_length(${one.symbols})`),
  ],
)

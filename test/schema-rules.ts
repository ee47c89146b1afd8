import { sql } from 'drizzle-orm'
import type { Database } from '../src/db/database.ts'

// What holds for every table, read from the catalogs of a migrated database.

export interface TableRule {
  readonly table: string
  readonly columns: readonly string[]
}

export interface ConstraintRule {
  readonly table: string
  readonly name: string
  /** p primary key, u unique, f foreign key, c check, x exclusion. */
  readonly kind: string
  readonly columns: readonly string[]
  /** Of a foreign key: the table and columns that it points to, and what happens when that row goes. */
  readonly target: string | null
  readonly targetColumns: readonly string[]
  readonly onDelete: string
}

export interface IndexRule {
  readonly table: string
  readonly name: string
  readonly isUnique: boolean
  readonly isConstraint: boolean
  readonly columns: readonly string[]
  /** Of a partial index; empty for a whole one. */
  readonly predicate: string
}

export interface Catalog {
  readonly tables: readonly TableRule[]
  readonly constraints: readonly ConstraintRule[]
  readonly indexes: readonly IndexRule[]
}

const OURS = sql`space.nspname in ('audit', 'access', 'fleet', 'market', 'snapshots', 'strategy',
  'analysis', 'trading', 'risk', 'ideas', 'arbitrage', 'analytics')`
// A partition has what its table has, under names of its own.
const WHOLE = sql`not relation.relispartition`
const RELATION = sql`space.nspname || '.' || relation.relname`

const columnNames = (numbers: ReturnType<typeof sql>, relation: ReturnType<typeof sql>) => sql`(
  select coalesce(json_agg(attname order by place), '[]') from unnest(${numbers}) with ordinality as key(number, place)
  join pg_attribute on attrelid = ${relation} and attnum = key.number)`

/** Reads what there is. Not null is a constraint of its own from Postgres 18 on, and is left out. */
export async function readCatalog(db: Database): Promise<Catalog> {
  const tables = await db.execute(sql`
    select ${RELATION} as table, (select json_agg(attname order by attnum) from pg_attribute
      where attrelid = relation.oid and attnum > 0 and not attisdropped) as columns
    from pg_class relation join pg_namespace space on space.oid = relation.relnamespace
    where relation.relkind in ('r', 'p') and ${WHOLE} and ${OURS} order by 1`)
  const constraints = await db.execute(sql`
    select ${RELATION} as table, conname as name, contype::text as kind, confdeltype::text as "onDelete",
      ${columnNames(sql`conkey`, sql`conrelid`)} as columns, ${columnNames(sql`confkey`, sql`confrelid`)} as "targetColumns",
      (select space.nspname || '.' || target.relname from pg_class target
        join pg_namespace space on space.oid = target.relnamespace where target.oid = confrelid) as target
    from pg_constraint join pg_class relation on relation.oid = conrelid
    join pg_namespace space on space.oid = relation.relnamespace
    where contype in ('p', 'u', 'f', 'c', 'x') and ${WHOLE} and ${OURS} order by 1, 2`)
  const indexes = await db.execute(sql`
    select ${RELATION} as table, own.relname as name, indisunique as "isUnique",
      exists (select from pg_constraint where conindid = indexrelid) as "isConstraint",
      ${columnNames(sql`indkey::smallint[]`, sql`indrelid`)} as columns,
      coalesce(pg_get_expr(indpred, indrelid), '') as predicate
    from pg_index join pg_class relation on relation.oid = indrelid join pg_class own on own.oid = indexrelid
    join pg_namespace space on space.oid = relation.relnamespace
    where relation.relkind in ('r', 'p') and ${WHOLE} and ${OURS} order by 1, 2`)
  return {
    tables: parsed(tables) as unknown as TableRule[],
    constraints: parsed(constraints) as unknown as ConstraintRule[],
    indexes: parsed(indexes) as unknown as IndexRule[],
  }
}

const LISTS = ['columns', 'targetColumns']

/** JSON arrives as text, whatever the driver. */
function parsed(rows: unknown): Record<string, unknown>[] {
  return (rows as Record<string, unknown>[]).map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([key, value]) => [
        key,
        LISTS.includes(key) ? JSON.parse(String(value)) : value,
      ]),
    ),
  )
}

/** Tables of the whole fleet. Every other table belongs to one bot. */
export const SHARED_SCHEMAS = ['market']
export const SHARED_TABLES = [
  'fleet.settings',
  'risk.global_settings',
  'risk.global_circuit_breakers',
  'risk.global_locks',
  'risk.kill_switch',
  'risk.kill_switch_events',
  'risk.correlation_matrices',
  'risk.volatility',
  'risk.liquidity',
  'access.users',
  'strategy.strategies',
  'strategy.strategy_symbols',
  'strategy.performance',
  'strategy.backtests',
  'strategy.backtest_equity',
  'strategy.backtest_trades',
  'strategy.insights',
  'strategy.selections',
  'strategy.reviews',
  'strategy.review_summaries',
  'strategy.activations',
  'strategy.allocations',
  'arbitrage.dex_prices',
  'arbitrage.gas_prices',
  'analytics.portfolio_snapshots',
  'analytics.refreshes',
]

function isOfBot(table: string | null): boolean {
  if (table === null || SHARED_TABLES.includes(table)) return false
  return !SHARED_SCHEMAS.some((schema) => table.startsWith(`${schema}.`))
}

/** Each row of a bot says whose it is, first in every key, so that no key and no reference crosses from bot to bot. */
export function findUnscoped({ tables, constraints, indexes }: Catalog): string[] {
  const problems: string[] = []
  for (const { table, columns } of tables.filter((one) => isOfBot(one.table))) {
    if (!columns.includes('bot_id')) problems.push(`${table} has no bot_id`)
    if (!constraints.some((one) => one.table === table && one.kind === 'p')) {
      problems.push(`${table} has no primary key`)
    }
  }
  for (const { table, name, columns, isUnique } of indexes) {
    if (isUnique && isOfBot(table) && columns[0] !== 'bot_id')
      problems.push(`${name} does not begin with bot_id`)
  }
  for (const { table, name, kind, columns, target, targetColumns, onDelete } of constraints) {
    if (kind !== 'f' || !isOfBot(table)) continue
    const isScoped = columns[0] === 'bot_id' && targetColumns[0] === 'bot_id'
    if (isOfBot(target) && !isScoped) problems.push(`${name} may point into another bot`)
    if (onDelete === 'n') problems.push(`${name} says on delete set null, which would clear bot_id`)
  }
  return problems
}

const ENDINGS: Readonly<Record<string, string>> = { p: 'pkey', u: 'key', f: 'fkey', c: 'check', x: 'excl' }

/** Names that errors report: `table_columns_ending`. The rule of one column bears its name, which becomes the field. */
export function findMisnamed({ constraints, indexes }: Catalog): string[] {
  const problems: string[] = []
  for (const { table, name, kind, columns } of constraints) {
    if (!fits(name, table, ENDINGS[kind])) problems.push(`${table}: ${name} should end in ${ENDINGS[kind]}`)
    const own = `${bare(table)}_${columns[0]}_check`
    if (kind === 'c' && columns.length === 1 && name !== own)
      problems.push(`${table}: ${name} should be ${own}`)
  }
  for (const { table, name, isUnique, isConstraint } of indexes) {
    const ending = isUnique ? 'key' : 'idx'
    if (!isConstraint && !fits(name, table, ending))
      problems.push(`${table}: ${name} should end in ${ending}`)
  }
  return problems
}

function fits(name: string, table: string, ending: string | undefined): boolean {
  return new RegExp(`^${bare(table)}(?:_[a-z0-9]+)*_${ending}$`).test(name)
}

function bare(table: string): string {
  return table.slice(table.indexOf('.') + 1)
}

/** Indexes of the same columns and rows of a table. */
export function findRepeatedIndexes({ indexes }: Catalog): string[] {
  const seen = new Map<string, string>()
  const problems: string[] = []
  for (const { table, name, columns, predicate } of indexes) {
    const key = JSON.stringify([table, columns, predicate])
    const former = seen.get(key)
    if (former !== undefined) problems.push(`${name} repeats ${former}`)
    seen.set(key, name)
  }
  return problems
}

import { asc, eq, getTableColumns, sql } from 'drizzle-orm'
import { toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { type Amount, toDecimal } from '../db/decimal.ts'
import { DataError } from '../db/errors.ts'
import { toUuid } from '../db/input.ts'
import { found, many } from '../db/rows.ts'
import { type PreparedStatement, sqlStatement } from '../db/statement.ts'
import { toArray } from '../market/record-values.ts'
import { strategies, strategySymbols } from './schema/strategies.ts'
import type { StrategyDocument } from './schema/values.ts'

export type StrategySymbol = typeof strategySymbols.$inferSelect

export interface StrategySymbolInput {
  readonly symbol: string
  /** Its share among the symbols of the strategy, 0 or more: only the proportions count. 1 unless said otherwise. */
  readonly weight?: Amount | undefined
  readonly metadata?: StrategyDocument | undefined
}

export interface SetStrategySymbolsInput {
  readonly strategyId: string
  /** All of them; those left out are removed. */
  readonly symbols: readonly StrategySymbolInput[]
  readonly changedBy: string
  readonly reason?: string | undefined
}

type Slot = 'strategyId' | 'symbols' | 'changedBy' | 'reason'
type SetRow = { readonly [Key in keyof StrategySymbol]: StrategySymbol[Key] | null } & {
  readonly isThere: boolean
}

const columns = getTableColumns(strategySymbols)

const setStatement: PreparedStatement<SetRow, Slot> = sqlStatement('setStrategySymbols', (slot) => ({
  query: sql`
    select exists (select from ${strategies} where id = ${slot('strategyId')}::uuid), ${sql.raw(
      Object.values(columns)
        .map(({ name }) => `s."${name}"`)
        .join(', '),
    )}
    from (select) as once left join strategy.set_symbols(${slot('strategyId')}::uuid, ${slot('symbols')}::jsonb,
      ${slot('changedBy')}, ${slot('reason')}) s on true`,
  fields: { isThere: sql<boolean>`is_there`, ...columns },
}))

/**
 * Makes the symbols that a strategy trades these and no others, and returns them in the order of their names. The strategy's version moves with
 * them. Safe to repeat: the same set changes nothing.
 *
 * @throws `invalid_input` naming the field, as `symbols[1].weight`, also for a symbol that is given twice.
 * @throws `invalid_transition` if the strategy is archived or replaced.
 * @throws `not_found` if there is no such strategy.
 */
export async function setStrategySymbols(
  db: Database,
  input: SetStrategySymbolsInput,
): Promise<StrategySymbol[]> {
  const strategyId = toUuid(input.strategyId, 'strategyId')
  const symbols = toArray(input.symbols, 'symbols').map((one, i) => readSymbol(one, `symbols[${i}]`))
  const twice = symbols.findIndex(({ symbol }, i) => symbols.findIndex((one) => one.symbol === symbol) < i)
  if (twice !== -1) {
    const field = `symbols[${twice}].symbol`
    throw new DataError('invalid_input', `${field} '${symbols[twice]?.symbol}' is given twice`, { field })
  }
  const rows = await setStatement.run(db, {
    strategyId,
    symbols: JSON.stringify(symbols),
    changedBy: toName(input.changedBy, 'changedBy'),
    reason: input.reason === undefined ? null : toName(input.reason, 'reason'),
  })
  found(`strategy '${strategyId}'`, rows[0]?.isThere ? rows[0] : undefined)
  return rows.flatMap(({ isThere: _, ...row }) => (isSymbol(row) ? [row] : []))
}

function isSymbol(row: Omit<SetRow, 'isThere'>): row is StrategySymbol {
  return row.symbol !== null
}

function readSymbol({ symbol, weight, metadata }: StrategySymbolInput, at: string) {
  return {
    symbol: toName(symbol, `${at}.symbol`),
    weight: weight === undefined ? '1' : toDecimal(weight, `${at}.weight`).toFixed(),
    metadata: JSON.parse(String(strategySymbols.metadata.mapToDriverValue(metadata ?? {}))) as unknown,
  }
}

/** Returns the symbols that a strategy trades in the order of their names. Empty also for a strategy that is not there. */
export async function listStrategySymbols(
  db: Database,
  input: Pick<StrategySymbol, 'strategyId'>,
): Promise<StrategySymbol[]> {
  return many(
    'listStrategySymbols',
    db
      .select()
      .from(strategySymbols)
      .where(eq(strategySymbols.strategyId, toUuid(input.strategyId, 'strategyId')))
      .orderBy(asc(strategySymbols.symbol)),
  )
}

import { and, desc, eq, getTableColumns, type SQL, sql } from 'drizzle-orm'
import { toInstant, toName } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { toUuid } from '../db/input.ts'
import { comesAfter, type PageInput, readLimit } from '../db/page.ts'
import { many, one } from '../db/rows.ts'
import { toBotId } from '../fleet/bots.ts'
import { stopOrders } from './schema/stop-orders.ts'

/** A stop that the bot watches itself, through `triggerStopOrders`. */
export type StopOrder = typeof stopOrders.$inferSelect

export interface StopOrderKey {
  readonly botId: string
  readonly stopOrderId: string
}

export const stopFields = getTableColumns(stopOrders)
/** Every column, in the order of `stopFields`. */
export const stopNames = (alias: string): SQL =>
  sql.raw(
    Object.values(stopFields)
      .map((column) => `${alias}.${column.name}`)
      .join(', '),
  )

/** Returns a stop, active or not. @throws `not_found`. */
export async function getStopOrder(db: Database, input: StopOrderKey): Promise<StopOrder> {
  const what = `stop order '${input.stopOrderId}' of bot '${input.botId}'`
  return await one('getStopOrder', what, db.select().from(stopOrders).where(isStopOrder(input)))
}

export interface ListActiveStopOrdersInput extends PageInput<Pick<StopOrder, 'createdAt' | 'id'>> {
  readonly botId: string
  readonly exchange?: string | undefined
  readonly symbol?: string | undefined
  /** The moment to judge at: one that has ended by then is left out. The database's clock if left out. */
  readonly now?: Date | undefined
}

/** Returns the bot's stops that may still fire, newest first. */
export async function listActiveStopOrders(
  db: Database,
  input: ListActiveStopOrdersInput,
): Promise<StopOrder[]> {
  const { exchange, symbol, now } = input
  const at =
    now === undefined ? sql`statement_timestamp()` : sql`${toInstant(now, 'now').toISOString()}::timestamptz`
  return await listed(
    db,
    'listActiveStopOrders',
    input,
    // The status is no parameter: so the planner may use the index of those that are active.
    and(
      sql`${stopOrders.status} = 'active'`,
      sql`coalesce(${stopOrders.expiresAt} > ${at}, true)`,
      exchange === undefined ? undefined : eq(stopOrders.exchange, toName(exchange, 'exchange')),
      symbol === undefined ? undefined : eq(stopOrders.symbol, toName(symbol, 'symbol')),
    ),
  )
}

export interface ListStopOrdersInput extends PageInput<Pick<StopOrder, 'createdAt' | 'id'>> {
  readonly botId: string
}

/** Returns the bot's stops, whatever became of them, newest first. */
export async function listStopOrders(db: Database, input: ListStopOrdersInput): Promise<StopOrder[]> {
  return await listed(db, 'listStopOrders', input, undefined)
}

async function listed(
  db: Database,
  verb: string,
  { botId, after, limit }: ListStopOrdersInput,
  choice: SQL | undefined,
): Promise<StopOrder[]> {
  const rest = comesAfter(stopOrders.createdAt, stopOrders.id, after && { at: after.createdAt, id: after.id })
  return await many(
    verb,
    db
      .select()
      .from(stopOrders)
      .where(and(eq(stopOrders.botId, toBotId(botId)), choice, rest))
      .orderBy(desc(stopOrders.createdAt), desc(stopOrders.id))
      .limit(readLimit(limit)),
  )
}

/** True for one stop of one bot. */
export function isStopOrder({ botId, stopOrderId }: StopOrderKey): SQL | undefined {
  return and(eq(stopOrders.botId, toBotId(botId)), eq(stopOrders.id, toUuid(stopOrderId, 'stopOrderId')))
}

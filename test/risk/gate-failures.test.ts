import { sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import type { Connection, Database } from '../../src/db/database.ts'
import { transaction } from '../../src/db/transaction.ts'
import { recordHeartbeat } from '../../src/fleet/index.ts'
import { placeOrder } from '../../src/risk/place-order.ts'
import type { RiskLimitsInput } from '../../src/risk/settings-input.ts'
import { getTradingStatus, isTradingAllowed } from '../../src/risk/trading-status.ts'
import { recordCashFlow, recordOrder } from '../../src/trading/index.ts'
import { describeEngines } from '../database.ts'
import { query } from '../trading/ledger-fixture.ts'
import { observeEquity } from './closures.ts'
import {
  EXCHANGE,
  fresh,
  limit,
  makeTrader,
  openMarket,
  rolledBack,
  storeLock,
  storePrice,
  storeTrip,
  trade,
} from './gate-fixture.ts'

/** Every limit there is, wide enough for the bot below, so that the gate reads all that it can read. */
const WIDE: RiskLimitsInput = {
  minConfidence: 0.1,
  maxOrderNotional: '100000',
  maxQuantity: '1000',
  maxOpenPositions: 10,
  maxExposure: '100000',
  maxLeverage: '10',
  maxDailyLoss: '10000',
  maxDrawdownFraction: '0.9',
  dailyTarget: '100000',
  allowedSymbols: ['BTC', 'ETH'],
  maxOrdersPerMinute: 100,
}

/** What the gate reads, by hand: nothing lists what a function in plpgsql depends on. Each with columns that decide. */
const READ: Record<string, readonly string[]> = {
  'fleet.bots': [
    'status',
    'mode',
    'exchange',
    'base_currency',
    'time_zone',
    'last_heartbeat_at',
    'heartbeat_tolerance_ms',
  ],
  'risk.gates': ['bot_id', 'kill_switch_event_id'],
  'risk.kill_switch': ['event_id'],
  'risk.kill_switch_events': ['id'],
  'risk.global_settings': ['version', 'trading_enabled', 'max_exposure', 'max_daily_loss', 'allowed_symbols'],
  'risk.settings': [
    'version',
    'trading_enabled',
    'max_exposure',
    'max_drawdown_fraction',
    'max_leverage',
    'max_orders_per_minute',
  ],
  'risk.global_circuit_breakers': ['status', 'symbol', 'side', 'exchange', 'expires_at', 'severity'],
  'risk.circuit_breakers': ['status', 'symbol', 'side', 'exchange', 'expires_at', 'severity'],
  'risk.global_locks': ['unlocked_at', 'symbol', 'side', 'exchange', 'expires_at'],
  'risk.locks': ['unlocked_at', 'symbol', 'side', 'exchange', 'expires_at'],
  'risk.drawdowns': ['equity', 'watched_drawdown_fraction', 'observed_at'],
  'market.instruments': ['status', 'kind', 'contract_size', 'quote_currency'],
  'market.series': ['last_close', 'last_price_at'],
  'trading.positions': ['status', 'quantity', 'mark_price', 'marked_at'],
  'trading.orders': ['status', 'quantity', 'filled_quantity', 'created_at', 'limit_price'],
  'trading.fills': ['executed_at', 'realised_gross', 'fee_in_settlement'],
  'trading.cash_flows': ['occurred_at', 'amount', 'kind'],
}

/** What no row may hold, and what the gate makes of it once its constraints are gone. */
const GARBAGE: Record<string, readonly string[]> = {
  'fleet.bots': [
    'status = null',
    "status = 'resting'",
    'mode = null',
    'heartbeat_tolerance_ms = null',
    'base_currency = null',
    "base_currency = 'XXX'",
    'exchange = null',
    'time_zone = null',
    "time_zone = 'Nowhere/Land'",
  ],
  'risk.gates': ["kill_switch_event_id = '00000000-0000-7000-8000-000000000000'"],
  'risk.kill_switch': ["event_id = '00000000-0000-7000-8000-000000000000'"],
  'risk.global_settings': ['trading_enabled = null', "allowed_symbols = 'null'", "allowed_symbols = '{}'"],
  'risk.settings': ['trading_enabled = null', "allowed_symbols = '7'"],
  'market.instruments': [
    'status = null',
    "status = 'open'",
    'kind = null',
    'contract_size = null',
    'quote_currency = null',
  ],
  'trading.positions': ['quantity = null', "quantity = 'NaN'"],
  'trading.orders': ['quantity = null', "quantity = 'NaN'"],
  'trading.fills': ['realised_gross = null', "realised_gross = 'NaN'"],
  'trading.cash_flows': ['amount = null', "amount = 'NaN'"],
  'risk.drawdowns': [
    'equity = null',
    "equity = 'NaN'",
    'watched_drawdown_fraction = null',
    "watched_drawdown_fraction = 'NaN'",
  ],
}

describeEngines(
  'the gate that cannot read',
  (open) => {
    let db: Connection
    let botId: string
    beforeAll(async () => {
      db = await open()
      await openMarket(db, 'BTC', 'ETH')
      await limit(db, null, WIDE)
      botId = await makeTrader(db)
      await limit(db, botId, WIDE)
      const now = Date.now()
      await storePrice(db, 'BTC', '100', new Date(now))
      await trade(db, botId, 'ETH', 'buy 2 @ 100', new Date(now - 2_000))
      await trade(db, botId, 'ETH', 'sell 1 @ 99', new Date(now - 1_000))
      const paid = { kind: 'fee', amount: '-1', currency: 'USD', occurredAt: new Date(now - 1_000) } as const
      await recordCashFlow(db, { botId, exchange: EXCHANGE, ...paid })
      const order = { symbol: 'BTC', side: 'buy', type: 'limit', quantity: '1', limitPrice: '90' } as const
      await recordOrder(db, { botId, exchange: EXCHANGE, ...order })
      await observeEquity(db, botId, '1000', '0.01', new Date(now))
      // Things that are over, so that there are rows to be read.
      for (const whose of [null, botId]) {
        await storeTrip(db, { botId: whose, at: new Date(now - 10_000), cooldownMs: 1 })
        await storeLock(db, { botId: whose, at: new Date(now - 10_000), until: new Date(now - 9_000) })
      }
      await recordHeartbeat(db, { botId })
    })

    const question = () => ({ botId, symbol: 'BTC', side: 'buy' }) as const

    /** What each of the three answers, `failed` for an error; in savepoints, so that a failure spoils nothing. */
    async function answers(db: Database) {
      const attempt = async <Result>(ask: (db: Database) => Promise<Result>) =>
        await transaction(db, ask).catch(() => 'failed' as const)
      const allowed = await attempt(async (tx) => await isTradingAllowed(tx, question()))
      const state = await attempt(async (tx) => (await getTradingStatus(tx, question())).state)
      const placed = await attempt(async (tx) => {
        const order = { type: 'market', quantity: '1', confidence: 1, clientOrderId: fresh('entry') } as const
        return (await placeOrder(tx, { ...question(), ...order })).placed
      })
      return { allowed, state, placed }
    }

    /** Fails if any of them lets an entry through, or if they say different things where they say something. */
    function expectClosed(
      name: string,
      { allowed, state, placed }: Awaited<ReturnType<typeof answers>>,
    ): void {
      const open = [
        allowed === true && 'isTradingAllowed',
        state === 'active' && 'getTradingStatus',
        placed === true && 'placeOrder',
      ]
      expect([name, open.filter(Boolean)]).toEqual([name, []])
    }

    it('lets this bot place an entry while it can', async () => {
      await rolledBack(db, async (tx) => {
        expect(await answers(tx)).toEqual({ allowed: true, state: 'active', placed: true })
      })
    })

    it.each(Object.keys(READ))('lets nothing through without the table %s', async (table) => {
      await rolledBack(db, async (tx) => {
        await query(tx, sql.raw(`alter table ${table} rename to gone`))
        expectClosed(table, await answers(tx))
        if (table !== 'trading.orders') expect(await countOrders(tx, botId)).toBe(1)
      })
    })

    it.each(Object.entries(READ))('lets nothing through without a column of %s', async (table, columns) => {
      for (const column of columns) {
        await rolledBack(db, async (tx) => {
          await query(tx, sql.raw(`alter table ${table} rename column ${column} to gone`))
          expectClosed(`${table}.${column}`, await answers(tx))
        })
      }
    })

    it('lets nothing through that its role may not read', async () => {
      await rolledBack(db, async (tx) => {
        const role = fresh('reader').replace('-', '_')
        await query(tx, sql.raw(`create role ${role}`))
        for (const schema of ['fleet', 'market', 'trading', 'risk', 'audit']) {
          await query(tx, sql.raw(`grant usage on schema ${schema} to ${role}`))
          await query(
            tx,
            sql.raw(`grant select, insert, update on all tables in schema ${schema} to ${role}`),
          )
        }
        await rolledBack(tx, async (tx) => {
          await query(tx, sql.raw(`set local role ${role}`))
          expect(await answers(tx)).toEqual({ allowed: true, state: 'active', placed: true })
        })
        for (const table of Object.keys(READ)) {
          await rolledBack(tx, async (tx) => {
            await query(tx, sql.raw(`revoke select on ${table} from ${role}`))
            await query(tx, sql.raw(`set local role ${role}`))
            expectClosed(table, await answers(tx))
          })
        }
      })
    })

    it('denies nothing that it cannot write down', async () => {
      await rolledBack(db, async (tx) => {
        await storeLock(tx, { botId, at: new Date(0), until: null })
        await query(tx, sql`alter table audit.risk_events rename to gone`)
        expect((await answers(tx)).placed).toBe('failed')
      })
    })

    const MISSING = [
      'risk.gates',
      'risk.kill_switch',
      'risk.global_settings',
      'fleet.bots',
      'market.instruments',
      'risk.drawdowns',
    ]
    it.each(MISSING)('lets nothing through without the rows of %s', async (table) => {
      await rolledBack(db, async (tx) => {
        await withoutGuards(tx, table)
        await query(tx, sql.raw(`delete from ${table}`))
        expectClosed(table, await answers(tx))
        expect(await countOrders(tx, botId)).toBe(1)
      })
    })

    it.each(Object.entries(GARBAGE))(
      'lets nothing through that it cannot make sense of in %s',
      async (table, changes) => {
        const open: string[] = []
        for (const change of changes) {
          await rolledBack(db, async (tx) => {
            // Old enough that nobody may overlook it.
            if (change.startsWith('mode'))
              await query(tx, sql`update fleet.bots set last_heartbeat_at = '2000-01-01'`)
            await withoutGuards(tx, table)
            await query(tx, sql.raw(`update ${table} set ${change}`))
            const { allowed, state, placed } = await answers(tx)
            if (allowed === true || state === 'active' || placed === true)
              open.push(`${change}: ${allowed} ${state} ${placed}`)
          })
        }
        expect(open).toEqual([])
      },
    )
  },
  ['postgres', 'pglite'],
)

async function countOrders(db: Database, botId: string): Promise<unknown> {
  const [row] = await query(
    db,
    sql`select count(*)::integer as count from trading.orders where bot_id = ${botId}`,
  )
  return row?.count
}

/** Takes a table's triggers, constraints and generated columns away, and the views that stand on it. */
async function withoutGuards(db: Database, table: string): Promise<void> {
  await query(db, sql.raw(`alter table ${table} disable trigger all`))
  const constraints = await query(
    db,
    sql`select c.conrelid::regclass::text as owner, c.conname as name from pg_constraint c
      where c.contype in ('c', 'f') and (c.conrelid = ${table}::regclass or c.confrelid = ${table}::regclass) and c.conparentid = 0`,
  )
  for (const { owner, name } of constraints) {
    await query(db, sql.raw(`alter table ${owner} drop constraint ${name}`))
  }
  const columns = await query(
    db,
    sql`select a.attname as name from pg_attribute a where a.attrelid = ${table}::regclass and a.attnum > 0 and a.attnotnull
      and not a.attisdropped and a.attname not in (select k.attname from pg_index i join pg_attribute k on k.attrelid = i.indrelid
        and k.attnum = any (i.indkey) where i.indrelid = ${table}::regclass and i.indisprimary)`,
  )
  for (const { name } of columns) await query(db, sql.raw(`alter table ${table} alter ${name} drop not null`))
}

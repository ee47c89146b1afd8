import { sql } from 'drizzle-orm'
import type { Database } from '../../src/db/database.ts'
import { type RegisterBotInput, recordHeartbeat, setBotStatus } from '../../src/fleet/index.ts'
import { setInstrument } from '../../src/market/index.ts'
import type { BlockCode, BlockEffect, BlockScope } from '../../src/risk/checks.ts'
import {
  activateKillSwitch,
  beginKillSwitchRecovery,
  deactivateKillSwitch,
} from '../../src/risk/kill-switch.ts'
import type { RiskLimitsInput } from '../../src/risk/settings-input.ts'
import { recordOrder } from '../../src/trading/index.ts'
import { query } from '../trading/ledger-fixture.ts'
import {
  type Closure,
  changeTrip,
  EXCHANGE,
  endLock,
  fresh,
  limit,
  makeTrader,
  storeLock,
  storeTrip,
  trade,
} from './gate-fixture.ts'

export const NOW = new Date('2026-03-01T12:00:00.500Z')
const TOMORROW = new Date('2026-03-02T00:00:00.000Z')
const CONFIRMATION = 'the-same-code'
const OPERATOR = { by: 'operator', notes: 'test' }

export function plus(ms: number, from: Date = NOW): Date {
  return new Date(from.getTime() + ms)
}

/**
 * A bot that every closure below can close, and none has: of a symbol worth 100 that it holds, with as much equity and a fifth below its peak, with a
 * loss of 10 today and two orders in the last minute.
 */
export async function makeTypicalTrader(db: Database, over: Partial<RegisterBotInput> = {}): Promise<string> {
  const botId = await makeTrader(db, over)
  await trade(db, botId, 'ETH', 'buy 1 @ 100', plus(-3_600_000))
  await trade(db, botId, 'LTC', 'buy 1 @ 100', plus(-7_200_000))
  await trade(db, botId, 'LTC', 'sell 1 @ 90', plus(-7_100_000))
  for (const ago of [1_000, 20_000]) {
    await recordOrder(db, {
      ...{ botId, exchange: EXCHANGE, symbol: 'LTC', side: 'sell', reduceOnly: true, type: 'limit' },
      ...{ quantity: '1', limitPrice: '200', clientOrderId: fresh('exit'), createdAt: plus(-ago) },
    })
  }
  await observeEquity(db, botId, '100', '0.2')
  return botId
}

/** Stores an observation of what a bot was worth a minute before. */
export async function observeEquity(
  db: Database,
  botId: string,
  equity: string,
  drawdown: string,
  at = plus(-60_000),
) {
  await query(
    db,
    sql`insert into risk.drawdowns (bot_id, day, observed_at, equity, flows, growth, peak_growth, peak_at, drawdown_fraction,
        day_max_drawdown_fraction, max_drawdown_fraction, max_drawdown_at, watched_peak_growth, watched_since, watched_drawdown_fraction)
      select ${botId}, (t.at at time zone 'UTC')::date, t.at, ${equity}::numeric, 0, 1, 1, t.at, 0, 0, 0, t.at, 1, t.at, ${drawdown}::numeric
      from (values (${at.toISOString()}::timestamptz)) as t(at)`,
  )
}

/** One way to close entries. */
export interface Way {
  readonly name: string
  readonly code: BlockCode
  readonly effect: BlockEffect
  readonly scope: BlockScope
  readonly until?: Date
  readonly threshold?: string
  readonly actual?: string
  /** Ways of the same group cannot be gone at once. */
  readonly group?: string
  readonly close: (db: Database, botId: string) => Promise<Opened>
}

/** Opens again what was closed. */
type Opened = (db: Database) => Promise<unknown>

function setting(
  code: BlockCode,
  limits: RiskLimitsInput,
  rest: Partial<Way> = {},
  none: RiskLimitsInput = Object.fromEntries(Object.keys(limits).map((key) => [key, null])),
): Way {
  const isOfFleet = rest.scope === 'global'
  const whose = (botId: string) => (isOfFleet ? null : botId)
  return {
    name: `${code} of ${isOfFleet ? 'the fleet' : 'the bot'}`,
    code,
    effect: 'reduce',
    scope: 'bot',
    ...rest,
    close: async (db, botId) => {
      await limit(db, whose(botId), limits)
      return async (db) => await limit(db, whose(botId), none)
    },
  }
}

function status(name: 'paused' | 'stopped' | 'error'): Way {
  return {
    name: `a bot that is ${name}`,
    code: 'bot_status',
    effect: name === 'paused' ? 'reduce' : 'halt',
    scope: 'bot',
    group: 'status',
    close: async (db, botId) => {
      await setBotStatus(db, { botId, status: name })
      return async (db) => await setBotStatus(db, { botId, status: 'active' })
    },
  }
}

type Place = Pick<Closure, 'exchange' | 'symbol' | 'side'> & { readonly isOfFleet?: boolean }

function trip(
  name: string,
  scope: BlockScope,
  cooldownMs: number | null,
  place: Place & { severity?: string },
): Way {
  return {
    name: `a trip ${name}`,
    code: 'circuit_breaker',
    effect: place.severity === 'emergency' ? 'halt' : 'reduce',
    scope,
    ...(cooldownMs === null ? {} : { until: plus(cooldownMs) }),
    close: async (db, bot) => {
      const botId = place.isOfFleet ? null : bot
      const id = await storeTrip(db, { ...place, botId, at: NOW, cooldownMs })
      return async (db) => await changeTrip(db, botId, id, { status: 'resolved' })
    },
  }
}

function lock(name: string, scope: BlockScope, until: Date | null, place: Place): Way {
  return {
    name: `a lock ${name}`,
    code: 'lock',
    effect: 'reduce',
    scope,
    ...(until === null ? {} : { until }),
    close: async (db, bot) => {
      const botId = place.isOfFleet ? null : bot
      const id = await storeLock(db, { ...place, botId, at: NOW, until })
      return async (db) => await endLock(db, botId, id)
    },
  }
}

function killSwitch(isRecovering: boolean): Way {
  return {
    name: `a kill switch that is ${isRecovering ? 'in recovery' : 'on'}`,
    code: 'kill_switch',
    effect: isRecovering ? 'reduce' : 'halt',
    scope: 'global',
    group: 'switch',
    close: async (db) => {
      const { event } = await activateKillSwitch(db, {
        ...{ activatedBy: 'operator', reason: 'test', confirmationCode: CONFIRMATION },
      })
      if (isRecovering) await beginKillSwitchRecovery(db, { eventId: event.id, ...OPERATOR })
      return async (db) =>
        await deactivateKillSwitch(db, {
          ...{ eventId: event.id, deactivatedBy: 'operator', reason: 'test', confirmationCode: CONFIRMATION },
        })
    },
  }
}

const stale: Way = {
  name: 'an old heartbeat',
  code: 'heartbeat',
  effect: 'reduce',
  scope: 'bot',
  threshold: '60000',
  actual: '60001',
  close: async (db, botId) => {
    await recordHeartbeat(db, { botId, at: plus(-60_001) })
    return async (db) => await recordHeartbeat(db, { botId, at: plus(-60_000) })
  },
}

const suspended: Way = {
  name: 'an instrument that is suspended',
  code: 'instrument',
  effect: 'reduce',
  scope: 'symbol',
  close: async (db) => {
    const instrument = {
      ...({ exchange: EXCHANGE, symbol: 'BTC', kind: 'linear' } as const),
      ...{ baseCurrency: 'BTC', quoteCurrency: 'USD' },
    }
    await setInstrument(db, { ...instrument, status: 'suspended' })
    return async (db) => await setInstrument(db, instrument)
  },
}

const target = setting(
  'daily_target',
  { dailyTarget: '25' },
  { until: TOMORROW, threshold: '25', actual: '25' },
)

/** Every way to close entries of BTC for a bot, alone or together. */
export const WAYS: readonly Way[] = [
  killSwitch(false),
  killSwitch(true),
  setting(
    'trading_enabled',
    { tradingEnabled: false },
    { effect: 'halt', scope: 'global', group: 'enabled' },
    { tradingEnabled: true },
  ),
  setting(
    'trading_enabled',
    { tradingEnabled: false },
    { effect: 'halt', group: 'enabled' },
    { tradingEnabled: true },
  ),
  status('paused'),
  status('stopped'),
  status('error'),
  stale,
  trip('of the bot', 'bot', 1_001, {}),
  trip('of the fleet without an end', 'global', null, { isOfFleet: true }),
  trip('that is an emergency', 'bot', 9_000_999, { severity: 'emergency' }),
  trip('of a symbol', 'symbol', 1, { symbol: 'BTC' }),
  trip('of a side, of the fleet', 'side', 2, { side: 'buy', isOfFleet: true }),
  lock('of the bot', 'bot', plus(1), {}),
  lock('of the fleet without an end', 'global', null, { isOfFleet: true }),
  lock('of a symbol, of the fleet', 'symbol', plus(86_400_000), { symbol: 'BTC', isOfFleet: true }),
  lock('of a side of a symbol', 'side', null, { symbol: 'BTC', side: 'buy', exchange: EXCHANGE }),
  setting('symbol', { allowedSymbols: ['ETH'] }, { scope: 'symbol' }),
  suspended,
  setting('open_positions', { maxOpenPositions: 1 }, { threshold: '1', actual: '1' }),
  setting('exposure', { maxExposure: '100' }, { scope: 'global', threshold: '100', actual: '100' }),
  setting('leverage', { maxLeverage: '1' }, { threshold: '1', actual: '1' }),
  setting('order_rate', { maxOrdersPerMinute: 2 }, { until: plus(40_000), threshold: '2', actual: '2' }),
  setting(
    'daily_loss',
    { maxDailyLoss: '10' },
    { group: 'day', until: TOMORROW, threshold: '10', actual: '10' },
  ),
  {
    ...target,
    group: 'day',
    // The bot has lost 10 today, and earns 35 first.
    close: async (db, botId) => {
      await trade(db, botId, 'LTC', 'buy 1 @ 100', plus(-60_000))
      await trade(db, botId, 'LTC', 'sell 1 @ 135', plus(-50_000))
      return await target.close(db, botId)
    },
  },
  setting('drawdown', { maxDrawdownFraction: '0.2' }, { scope: 'global', threshold: '0.2', actual: '0.2' }),
]

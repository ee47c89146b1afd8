import { sql } from 'drizzle-orm'
import { expect, it } from 'vitest'
import { calculateFleetDailyPnl } from '../../src/analytics/daily-pnl.ts'
import type { Connection, Database, Logger, StatementLog } from '../../src/db/database.ts'
import { transaction } from '../../src/db/transaction.ts'
import { registerBot } from '../../src/fleet/index.ts'
import { recordCashFlows } from '../../src/trading/index.ts'
import { describeDatabases } from '../database.ts'
import { query } from '../trading/ledger-fixture.ts'

const now = new Date('2024-03-02T12:00:00Z')

/** Enough for six statements, and two of them at a time. */
const BOTS = 130

describeDatabases('the days of a fleet', (open) => {
  /** A fleet with a deposit each, of which one bot lives in a time zone that there is not. */
  async function makeFleet(garbled: number) {
    const log: StatementLog[] = []
    const keep = (entry: unknown) => {
      log.push(entry as StatementLog)
    }
    const logger: Logger = { debug: keep, warn: keep }
    const db = await open.fresh({ logger })
    const botIds = Array.from({ length: BOTS }, (_, i) => `bot-${String(i).padStart(3, '0')}`)
    for (const botId of botIds) {
      await registerBot(db, {
        botId,
        kind: 'test',
        strategy: 'none',
        exchange: 'x',
        mode: 'paper',
        baseCurrency: 'USD',
        initialEquity: '1000',
      })
    }
    const flow = { exchange: 'x', kind: 'deposit', currency: 'USD', amount: '5', exchangeId: 'd' } as const
    const occurredAt = new Date('2024-03-01T12:00:00Z')
    await recordCashFlows(
      db,
      botIds.map((botId) => ({ ...flow, botId, occurredAt })),
    )
    const asked = botIds[garbled] ?? ''
    await query(
      db,
      sql`update fleet.bots set time_zone = 'Nowhere/Land' where bot_id = ${asked} returning bot_id`,
    )
    const repair = (on: Database) =>
      query(on, sql`update fleet.bots set time_zone = 'UTC' where bot_id = ${asked} returning bot_id`)
    const sent = () => log.filter(({ statement }) => statement === 'calculateFleetDailyPnl').length
    return { db, sent, repair }
  }

  const calculate = (db: Database) => calculateFleetDailyPnl(db, { fleet: { mode: 'paper' }, now })

  const storedBots = async (db: Connection) =>
    (await query(db, sql`select count(distinct bot_id)::integer as bots from analytics.daily_pnl`))[0]?.bots

  it('sends nothing more once a part of it has failed, and ends when nothing is running', async () => {
    const { db, sent, repair } = await makeFleet(0)
    const failed = await calculate(db).catch((error: unknown) => error)
    expect(failed).toMatchObject({ code: 'invalid_input' })
    const atTheEnd = sent()
    const stored = await storedBots(db)
    // One asks for the fleet; of its six parts the first fails, and by then others may have been done.
    expect(atTheEnd).toBeGreaterThanOrEqual(3)
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(sent()).toBe(atTheEnd)
    expect(await storedBots(db)).toBe(stored)

    await repair(db)
    expect(await calculate(db)).toMatchObject({ botCount: BOTS, dayCount: 2 * BOTS })
  })

  it('leaves a transaction as it was before a failure, for what its caller does next', async () => {
    const { db, sent, repair } = await makeFleet(BOTS - 1)
    const counts = await transaction(db, async (tx) => {
      await expect(transaction(tx, calculate)).rejects.toMatchObject({ code: 'invalid_input' })
      const atTheEnd = sent()
      await repair(tx)
      expect(sent()).toBe(atTheEnd)
      return await calculate(tx)
    })
    // Nothing of the first time has stayed, so every day was new.
    expect(counts).toEqual({ botCount: BOTS, dayCount: 2 * BOTS, changedCount: 2 * BOTS })
  })
})

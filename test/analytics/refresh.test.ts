import { sql } from 'drizzle-orm'
import { describe, expect, it } from 'vitest'
import { listBotPerformance } from '../../src/analytics/portfolio-views.ts'
import { listRefreshes, refreshAnalytics } from '../../src/analytics/refresh.ts'
import { connect } from '../../src/db/connect.ts'
import type { Database } from '../../src/db/database.ts'
import { transaction } from '../../src/db/transaction.ts'
import { createDatabase, describeDatabases, isPooled } from '../database.ts'
import { untilSomebodyWaits } from '../risk/breaker-fixture.ts'
import { query } from '../trading/ledger-fixture.ts'
import { makeMember } from './portfolio-fixture.ts'

const idsOf = async (db: Database) => (await listBotPerformance(db)).map(({ botId }) => botId)

describeDatabases('refreshAnalytics', (open) => {
  it('brings the views up to date, and says when and how many rows they have', async () => {
    const db = await open.fresh()
    const made = await listRefreshes(db)
    expect(made.map(({ viewName, rowCount }) => [viewName, rowCount])).toEqual([
      ['bot_performance', 0],
      ['daily_portfolio', 0],
    ])
    const botId = await makeMember(db, 'USD')
    expect(await idsOf(db)).toEqual([])
    const before = Date.now()
    const done = await refreshAnalytics(db)
    expect(done.map(({ viewName, rowCount }) => [viewName, rowCount])).toEqual([
      ['bot_performance', 1],
      ['daily_portfolio', 0],
    ])
    for (const { refreshedAt, durationMs } of done) {
      expect(Math.abs(refreshedAt.getTime() - before)).toBeLessThan(60_000)
      expect(durationMs).toBeGreaterThanOrEqual(0)
    }
    expect(await listRefreshes(db)).toEqual(done)
    const [row] = await listBotPerformance(db)
    expect(row).toMatchObject({ botId, refreshedAt: done[0]?.refreshedAt })
    // Again, with nothing new in it.
    const again = await refreshAnalytics(db)
    expect(again[0]?.refreshedAt.getTime()).toBeGreaterThan(done[0]?.refreshedAt.getTime() ?? Number.NaN)
    expect(await idsOf(db)).toEqual([botId])
  })

  it('is undone, view and age alike, with the transaction that it was part of', async () => {
    const db = await open.fresh()
    const before = await listRefreshes(db)
    const undone = transaction(db, async (tx) => {
      const botId = await makeMember(tx, 'USD')
      await refreshAnalytics(tx)
      expect(await idsOf(tx)).toEqual([botId])
      throw new Error('undone')
    })
    await expect(undone).rejects.toThrow('undone')
    expect(await idsOf(db)).toEqual([])
    expect(await listRefreshes(db)).toEqual(before)
  })

  it('shows a transaction what it has written itself, also twice', async () => {
    const db = await open.fresh()
    await transaction(db, async (tx) => {
      const first = await makeMember(tx, 'USD')
      await refreshAnalytics(tx)
      const second = await makeMember(tx, 'USD')
      await refreshAnalytics(tx)
      expect(await idsOf(tx)).toEqual([first, second])
    })
    const level = { isolationLevel: 'repeatable read' } as const
    await transaction(db, async (tx) => expect(await refreshAnalytics(tx)).toHaveLength(2), level)
  })

  it('fills views that were never filled, as a restored copy has them', async () => {
    const db = await open.fresh()
    const botId = await makeMember(db, 'USD')
    await query(db, sql`refresh materialized view analytics.bot_performance with no data`)
    await query(db, sql`delete from analytics.refreshes`)
    expect(await refreshAnalytics(db)).toHaveLength(2)
    expect(await idsOf(db)).toEqual([botId])
  })
})

describe('refreshAnalytics, several at once', () => {
  it('makes no reader wait', async () => {
    await using server = await createDatabase()
    const { db } = server
    await makeMember(db, 'USD')
    await transaction(db, async (tx) => {
      await refreshAnalytics(tx)
      // From another connection, while the refresh is not committed: as of before.
      expect(await idsOf(db)).toEqual([])
      expect(await listRefreshes(db)).toHaveLength(2)
    })
    expect(await idsOf(db)).toHaveLength(1)
  })

  it('lets one work where several ask, and each sees what was there when it asked', async () => {
    await using server = await createDatabase()
    const { db } = server
    const asked = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const botId = await makeMember(db, 'USD')
        await refreshAnalytics(db)
        expect(await idsOf(db)).toContain(botId)
      }),
    )
    expect(asked).toHaveLength(8)
  })

  it('needs no refresh of its own after one that began when it waited', async () => {
    await using server = await createDatabase({ lockTimeoutMs: 20_000 })
    const { db } = server
    let waiting: Promise<Awaited<ReturnType<typeof refreshAnalytics>>> | undefined
    // The first in line holds the rows, and asks only when the second waits for them.
    const first = await transaction(db, async (tx) => {
      await query(tx, sql`select from analytics.refreshes for update`)
      waiting = refreshAnalytics(db)
      waiting.catch(() => undefined)
      await untilSomebodyWaits(db)
      return await refreshAnalytics(tx)
    })
    expect(await waiting).toEqual(first)
    const later = await refreshAnalytics(db)
    expect(later[0]?.refreshedAt.getTime()).toBeGreaterThan(first[0]?.refreshedAt.getTime() ?? Number.NaN)
  })

  it('needs one of its own in a transaction that has written what only it sees', async () => {
    await using server = await createDatabase({ lockTimeoutMs: 20_000 })
    const { db } = server
    let waiting: Promise<string[]> | undefined
    await transaction(db, async (tx) => {
      await query(tx, sql`select from analytics.refreshes for update`)
      waiting = transaction(db, async (other) => {
        await makeMember(other, 'USD')
        await refreshAnalytics(other)
        return await idsOf(other)
      })
      waiting.catch(() => undefined)
      await untilSomebodyWaits(db)
      await refreshAnalytics(tx)
    })
    expect(await waiting).toHaveLength(1)
  })

  it('gives up as transient where another takes too long', async () => {
    await using server = await createDatabase({ lockTimeoutMs: 100 })
    const { db } = server
    await transaction(db, async (tx) => {
      await refreshAnalytics(tx)
      await expect(refreshAnalytics(db)).rejects.toMatchObject({ code: 'transient', retryable: true })
    })
  })

  it.skipIf(isPooled())('is for the owner of the views', async () => {
    await using server = await createDatabase()
    const role = `reader_${Date.now()}`
    await query(server.db, sql`create role ${sql.identifier(role)} login password 'secret'`)
    try {
      await query(server.db, sql`grant usage on schema analytics to ${sql.identifier(role)}`)
      await query(
        server.db,
        sql`grant select, insert, update on all tables in schema analytics to ${sql.identifier(role)}`,
      )
      const url = new URL(server.url)
      url.username = role
      url.password = 'secret'
      await using reader = await connect({ url: url.href, skipSchemaCheck: true })
      await expect(refreshAnalytics(reader)).rejects.toMatchObject({
        code: 'unexpected',
        message: expect.stringMatching(/owner of|permission denied for materialized view/),
      })
      expect(await listRefreshes(reader)).toHaveLength(2)
    } finally {
      await query(server.db, sql`drop owned by ${sql.identifier(role)}`)
      await query(server.db, sql`drop role ${sql.identifier(role)}`)
    }
  })
})

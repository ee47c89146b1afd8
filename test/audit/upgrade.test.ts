import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { verifyAuditTrail } from '../../src/audit/audit-trail.ts'
import { listRiskEvents } from '../../src/audit/risk-events.ts'
import { connect } from '../../src/db/connect.ts'
import { migrateFrom } from '../../src/db/migrate.ts'
import { setBotStatus } from '../../src/fleet/bots.ts'
import { testServer } from '../database.ts'
import { createEmptyDatabase, dropDatabase, runSql } from '../db/migration-fixtures.ts'
import { ROOT } from '../package-build.ts'

/** The release before there were chains and decisions. */
const BEFORE = '0013_portfolio'

/** A copy of the migrations, up to one of them. */
function migrationsUntil(name: string): string {
  const home = mkdtempSync(join(tmpdir(), 'tradeblotter-upgrade-'))
  onTestFinished(() => rmSync(home, { recursive: true, force: true }))
  const folder = join(home, 'drizzle')
  cpSync(join(ROOT, 'drizzle'), folder, { recursive: true })
  const file = join(folder, 'meta/_journal.json')
  const journal = JSON.parse(readFileSync(file, 'utf8')) as { entries: { tag: string }[] }
  const last = journal.entries.findIndex(({ tag }) => tag === name)
  expect(last).toBeGreaterThan(0)
  for (const { tag } of journal.entries.slice(last + 1)) rmSync(join(folder, `${tag}.sql`))
  writeFileSync(file, JSON.stringify({ ...journal, entries: journal.entries.slice(0, last + 1) }))
  return folder
}

test('an upgrade chains the risk events that are there, as they are, and keeps orders of decisions that were never stored', async () => {
  const { directUrl: server } = testServer()
  const url = await createEmptyDatabase(server)
  try {
    const where = { url, directUrl: url }
    await migrateFrom(migrationsUntil(BEFORE), where)
    await runSql(
      url,
      `insert into fleet.bots (bot_id, name, kind, strategy, exchange, mode, base_currency, initial_equity)
        values ('old', 'old', 'k', 's', 'x', 'paper', 'USDT', 1000)`,
    )
    await runSql(
      url,
      `insert into audit.risk_events (bot_id, kind, actor, reason, details, occurred_at)
        select case when n % 3 = 0 then '*' else 'old' end, case when n % 2 = 0 then 'lock_changed' else 'order_denied' end, 'ada', 'r' || n,
          jsonb_build_object('n', n, 'amount', '1.50'), timestamptz '2026-01-01' + n * interval '1 hour' from generate_series(1, 30) n`,
    )
    const order = `insert into trading.orders (bot_id, id, decision_id, client_order_id, exchange, symbol, side, type, quantity)
      values ('old', gen_random_uuid(), gen_random_uuid(), '%', 'x', 'BTC', 'buy', 'market', 1)`
    await runSql(url, order.replace('%', 'kept'))
    const text = `select bot_id, id::text, kind, actor, reason, details::text, occurred_at::text from audit.risk_events order by id`
    const before = await runSql(url, text)

    await migrateFrom(join(ROOT, 'drizzle'), where)
    expect(await runSql(url, text)).toEqual(before)
    await using db = await connect(where)
    expect(await verifyAuditTrail(db)).toEqual({ isIntact: true, faults: [], chains: 4, rows: 30 })
    await setBotStatus(db, { botId: 'old', status: 'paused', reason: 'upgraded' })
    const [newest] = await listRiskEvents(db, { botId: 'old', limit: 1 })
    expect(newest).toMatchObject({ kind: 'bot_status_changed', sequence: 1 })
    expect(newest?.id).toBeGreaterThan(30n)
    expect((await verifyAuditTrail(db)).isIntact).toBe(true)
    await runSql(url, `update trading.orders set last_error = 'x' where client_order_id = 'kept'`)
    await expect(runSql(url, order.replace('%', 'refused'))).rejects.toMatchObject({
      code: 'missing_reference',
      constraint: 'orders_decision_id_fkey',
    })
    await expect(runSql(url, 'delete from audit.risk_events')).rejects.toMatchObject({
      code: 'invalid_input',
    })
  } finally {
    await dropDatabase(server, url)
  }
})

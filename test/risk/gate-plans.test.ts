import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { describeEngines } from '../database.ts'
import { ROOT } from '../package-build.ts'

const MIGRATION = readFileSync(join(ROOT, 'drizzle', '0006_gate.sql'), 'utf8')

/** A statement of the gate, as it stands in the migration, asked of one bot and symbol now. */
function statementOf(begin: RegExp, end: RegExp): string {
  const start = MIGRATION.search(begin)
  const rest = MIGRATION.slice(start)
  const text = rest.slice(0, rest.search(end))
  if (start === -1 || text === '') throw new Error(`the migration has no ${begin}`)
  return text
    .replaceAll('p_bot_id', "'bot-7'")
    .replaceAll('p_symbol', "'COIN7'")
    .replaceAll('p_at', 'now()')
    .replaceAll('v_equity_age', "interval '1 hour'")
}

describeEngines(
  'the plan of the gate',
  (open) => {
    let db: Connection
    beforeAll(async () => {
      db = await open()
      await db.execute(sql`
        insert into fleet.bots (bot_id, name, kind, strategy, exchange, mode, base_currency, initial_equity)
        select 'bot-' || n, 'n', 'k', 's', 'x', 'paper', 'USD', 1 from generate_series(1, 200) n`)
      for (const [table, owner] of [
        ['locks', "'bot-' || n % 200 + 1,"],
        ['global_locks', ''],
      ] as const) {
        const columns = owner === '' ? '' : 'bot_id,'
        await db.execute(
          sql.raw(`insert into risk.${table} (${columns} id, symbol, reason, locked_by, expires_at)
            select ${owner} gen_random_uuid(), 'COIN' || n, 'r', 'w', now() + (n - 2000) * interval '1 minute'
            from generate_series(1, 4000) n`),
        )
      }
      for (const [table, owner] of [
        ['circuit_breakers', "'bot-' || n % 200 + 1,"],
        ['global_circuit_breakers', ''],
      ] as const) {
        const columns = owner === '' ? '' : 'bot_id,'
        await db.execute(
          sql.raw(`insert into risk.${table} (${columns} id, rule, trigger, symbol, severity, reason, tripped_by, cooldown_ms, status)
            select ${owner} gen_random_uuid(), 'r' || n, 'manual', 'COIN' || n, 'info', 'r', 'w', n,
              case when n % 2 = 0 then 'active' else 'expired' end
            from generate_series(1, 4000) n`),
        )
      }
      await db.execute(sql`
        insert into risk.drawdowns select 'bot-' || n % 200 + 1, date '2026-01-01' + n / 200, now(), 1, 0, 1, 1, now(), 0, 0, 0, now(), 1,
          now(), 0 from generate_series(1, 4000) n on conflict do nothing`)
      await db.execute(sql`analyze`)
    }, 60_000)

    const planOf = async (text: string) =>
      JSON.stringify(await db.execute(sql.raw(`explain ${text}`)), null, 1)

    it('finds what blocks by the indexes made for it, however much is over', async () => {
      const plan = await planOf(statementOf(/SELECT 'circuit_breaker' AS code/, /\n {2}LOOP/))
      for (const name of ['circuit_breakers', 'global_circuit_breakers', 'locks', 'global_locks']) {
        expect(plan).toContain(`${name}_blocking_idx`)
      }
      expect(plan).not.toContain('Seq Scan')
    })

    it('finds the last observation of a bot by its key', async () => {
      const text = statementOf(/SELECT watched_drawdown_fraction, observed_at INTO/, /;/)
      const plan = await planOf(text.replace('INTO v_drawdown, v_observed_at', ''))
      expect(plan).toContain('drawdowns_pkey')
      expect(plan).not.toMatch(/Seq Scan|Sort/)
    })
  },
  ['postgres', 'pglite'],
)

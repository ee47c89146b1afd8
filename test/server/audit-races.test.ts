import { sql } from 'drizzle-orm'
import { expect, test } from 'vitest'
import { verifyAuditTrail } from '../../src/audit/audit-trail.ts'
import { recordSystemEvent } from '../../src/audit/system-events.ts'
import { connect } from '../../src/db/connect.ts'
import type { Connection } from '../../src/db/database.ts'
import { newId } from '../../src/db/id.ts'
import { transaction } from '../../src/db/transaction.ts'
import { activateKillSwitch } from '../../src/risk/kill-switch.ts'
import { setRiskSettings } from '../../src/risk/settings.ts'
import { createDatabase } from '../database.ts'
import type { AuditJob, AuditNews, AuditReport } from './audit-writer.ts'
import { Child } from './children.ts'

const PROCESSES = 8
const ROWS = 1_400

/** Where one of the processes writes: all to one bot, or each to its own and sometimes to the fleet. */
async function race(
  db: Connection,
  url: string,
  rows: number,
  isMixed: boolean,
  botIds: (place: number) => readonly string[],
) {
  const shared = Array.from({ length: 20 }, newId)
  const writers = Array.from({ length: PROCESSES }, (_, place) => {
    const driver = place % 2 ? 'pg' : 'postgres'
    const job: AuditJob = { url, driver, rows, isMixed, botIds: botIds(place), shared }
    return new Child<AuditJob, AuditNews>('audit-writer.ts', job)
  })
  for (const writer of writers) expect(await writer.next()).toBe('ready')
  for (const writer of writers) writer.send('begin')
  let isOver = false
  const ended = Promise.all(writers.map((writer) => writer.next() as Promise<AuditReport>)).finally(() => {
    isOver = true
  })
  // Read again and again while others write.
  const meanwhile: number[] = []
  while (!isOver) {
    const { isIntact, rows: seen } = await verifyAuditTrail(db)
    expect(isIntact).toBe(true)
    meanwhile.push(seen)
  }
  const reports = await ended
  expect(reports.flatMap(({ errors }) => errors)).toEqual([])
  const written = reports.reduce((total, report) => total + report.written, 0)
  return { reports, written, meanwhile }
}

test('eight processes on one chain leave it whole, without a gap for what was taken back', async () => {
  await using shared = await createDatabase()
  const { db, url } = shared
  const { reports, written, meanwhile } = await race(db, url, ROWS, false, () => ['one'])
  const result = await verifyAuditTrail(db)
  process.stdout.write(
    `one bot: ${written} rows kept, ${reports.reduce((sum, one) => sum + one.takenBack, 0)} taken back, ${result.rows} verified, and ${meanwhile.length} times meanwhile\n`,
  )
  expect(meanwhile.some((seen) => seen > 0 && seen < result.rows)).toBe(true)
  expect(result).toEqual({ isIntact: true, faults: [], chains: 1, rows: written + 20 })
  expect(written).toBeGreaterThan(10_000)
  const ids = new Set(reports.flatMap(({ sharedIds }) => sharedIds))
  expect(ids.size).toBe(20)
})

test('processes on chains of their own leave them whole too', async () => {
  await using shared = await createDatabase()
  const { db, url } = shared
  const { written } = await race(db, url, 200, true, (place) => [`bot-${place}`, '*'])
  const result = await verifyAuditTrail(db)
  expect(result).toMatchObject({
    isIntact: true,
    chains: 3 * (PROCESSES + 1),
    rows: written + 20 * PROCESSES,
  })
})

test('finds the row on either side of where one page of reading ends and the next begins', async () => {
  await using shared = await createDatabase()
  const { db } = shared
  for (let part = 0; part < 9; part++) {
    await db.execute(sql`
      insert into audit.system_events (bot_id, kind, severity, message)
      select 'long', 'x', 'info', 'row ' || n from generate_series(1, 500) n`)
  }
  expect(await verifyAuditTrail(db)).toMatchObject({ isIntact: true, rows: 4_500 })
  for (const sequence of [1, 1_999, 2_000, 2_001, 3_998, 3_999, 4_000, 4_001, 4_500]) {
    for (const [kind, text] of [
      ['altered', `update audit.system_events set message = 'x' where sequence = ${sequence}`],
      [
        'altered',
        `with changed as (update audit.system_events set message = 'x' where sequence = ${sequence} returning id) select 1;
        update audit.system_events e set hash = audit.hash_of(previous_hash, sequence, audit.content_of(e)) where sequence = ${sequence}`,
      ],
      ['missing', `delete from audit.system_events where sequence = ${sequence}`],
    ] as const) {
      const faults = await transaction(db, async (tx) => {
        await tx.execute(sql.raw('alter table audit.system_events disable trigger user'))
        for (const one of text.split(';')) await tx.execute(sql.raw(one))
        throw Object.assign(new Error('taken back'), { faults: (await verifyAuditTrail(tx)).faults })
      }).catch((thrown: { faults: unknown }) => thrown.faults)
      expect(faults).toMatchObject([{ kind, sequence, botId: 'long' }])
    }
  }
})

test('nobody who changes settings, and does not end, holds up the kill switch', async () => {
  await using shared = await createDatabase()
  const { db, url } = shared
  await using other = await connect({ url, poolSize: 2 })
  let release: () => void = () => undefined
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  let began: () => void = () => undefined
  const begun = new Promise<void>((resolve) => {
    began = resolve
  })
  const stuck = transaction(other, async (tx) => {
    await setRiskSettings(tx, { tradingEnabled: true, changedBy: 'ada', reason: 'slow' })
    await recordSystemEvent(tx, { kind: 'slow', severity: 'info', message: 'slow' })
    began()
    await held
  })
  await begun
  const { isNew } = await activateKillSwitch(db, {
    source: 'manual',
    severity: 'emergency',
    reason: 'now',
    activatedBy: 'bob',
  })
  expect(isNew).toBe(true)
  release()
  await stuck
  expect(await verifyAuditTrail(db)).toMatchObject({ isIntact: true })
})

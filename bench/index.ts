import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import postgres from 'postgres'
import { connect, migrate } from 'tradeblotter'
import { ensurePartitions } from 'tradeblotter/maintenance'
import { startNpmBinaries } from '../test/server/npm-binaries.ts'
import { benchDays } from './analytics-days.ts'
import { benchPerformance } from './analytics-performance.ts'
import { benchPortfolio, fillPortfolio } from './analytics-portfolio.ts'
import {
  type Bench,
  benchPositions,
  benchRecordFill,
  benchRecordFills,
  benchRecordOrder,
  fillUp,
  type MeasuredBatch,
} from './cases.ts'
import { benchAudit } from './evidence-audit.ts'
import { benchRecordDecision } from './evidence-decisions.ts'
import { benchReplay } from './evidence-replay.ts'
import { benchGate, benchGrowth, benchThroughput, fillGate, prepareGate } from './gate-cases.ts'
import { benchListSeries, benchMarketReads, benchRecordCandles, fillMarket } from './market-cases.ts'
import type { Measured } from './measure.ts'

const FEW = 10_000
const MANY = 5_000_000

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    'database-url': { type: 'string' },
    /** Also with five million fills and twenty million candles stored, which takes minutes to fill up. */
    large: { type: 'boolean', default: false },
    /** `ledger`, `market`, `gate`, `analytics` or `evidence` alone. */
    part: { type: 'string' },
    /** The program against which many connections at once are measured; left out where it is not there. */
    pgbench: { type: 'string', default: '/usr/lib/postgresql/15/bin/pgbench' },
  },
})

const note = (text: string) => process.stderr.write(`${text}\n`)
const started = values['database-url'] ? undefined : await startNpmBinaries()
const url = values['database-url'] ?? started?.url ?? ''
try {
  await migrate({ url })
  await using db = await connect({ url })
  const sql = postgres(url, { max: 1, onnotice: () => undefined })
  const [server] = await sql`show server_version`
  note(
    `PostgreSQL ${server?.server_version}, Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}`,
  )
  const results: (Measured | MeasuredBatch)[] = []
  const show = (measured: Measured | MeasuredBatch) => {
    results.push(measured)
    if (values.json) process.stdout.write(`${JSON.stringify(measured)}\n`)
    else note(`${measured.case}: ${measured.ratio}`)
  }
  const bench: Bench = { db, sql, run: Date.now().toString(36) }
  const isWanted = (part: string) => values.part === undefined || values.part === part
  if (isWanted('ledger')) await runLedger(bench, show)
  if (isWanted('market')) await runMarket(bench, show)
  if (isWanted('gate')) await runGate(bench, show)
  if (isWanted('analytics')) await runAnalytics(bench, show)
  if (isWanted('evidence')) await runEvidence(bench, show)
  if (!values.json) printTable(results)
  await sql.end()
} finally {
  await started?.stop()
}

type Show = (measured: Measured | MeasuredBatch) => void

async function runLedger(bench: Bench, show: Show): Promise<void> {
  await fillUp(bench, FEW, note)
  show(await benchRecordFill(bench, `recordFill, ${FEW.toLocaleString('en')} fills stored`))
  for (const measured of await benchPositions(bench)) show(measured)
  show(await benchRecordOrder(bench))
  show(await benchRecordFills(bench))
  if (values.large) {
    await fillUp(bench, MANY, note)
    const again = { ...bench, run: `${bench.run}x` }
    show(await benchRecordFill(again, `recordFill, ${MANY.toLocaleString('en')} fills stored`))
    for (const measured of await benchPositions(again)) {
      show({ ...measured, case: `${measured.case}, ${MANY.toLocaleString('en')} fills stored` })
    }
  }
}

async function runMarket(bench: Bench, show: Show): Promise<void> {
  const { db, sql } = bench
  // Two years of partitions, as a fleet has them.
  await ensurePartitions(db, { from: new Date('2024-01-01'), until: new Date('2026-01-01') })
  for (const seriesCount of values.large ? [10, 2_000] : [10]) {
    const bytes = await fillMarket(sql, seriesCount, note)
    const stored = `${(seriesCount * 10_000).toLocaleString('en')} candles stored`
    for (const measured of await benchMarketReads(bench, stored)) show(measured)
    const { series, p50Ms } = await benchListSeries(db)
    note(
      `listCandleSeries, ${stored}: ${series} series in ${p50Ms} ms; a candle takes ${bytes} bytes on disk, index and all`,
    )
  }
  for (const measured of await benchRecordCandles(bench)) show(measured)
}

async function runGate({ run }: Bench, show: Show): Promise<void> {
  const empty = await prepareGate(url, `gate_empty_${run}`)
  const full = await prepareGate(url, `gate_full_${run}`)
  const busy = await prepareGate(url, `gate_busy_${run}`)
  try {
    await fillGate(full)
    for (const measured of await benchGate(empty, 'empty')) show(measured)
    for (const measured of await benchGate(full, 'full')) show(measured)
    for (const measured of await benchGrowth(empty, full)) show(measured)
    const rate = await benchThroughput(busy, values.pgbench, run)
    note(
      rate
        ? `placeOrder, 8 connections: ${JSON.stringify(rate)}`
        : `no ${values.pgbench}: throughput not measured`,
    )
  } finally {
    for (const { db, sql } of [empty, full, busy]) await Promise.all([db.close(), sql.end()])
  }
}

async function runAnalytics(bench: Bench, show: Show): Promise<void> {
  show(await benchPerformance(bench))
  await fillPortfolio(bench)
  show(await benchPortfolio(bench))
  for (const year of await benchDays(bench, note)) note(`a year of daily PnL: ${JSON.stringify(year)}`)
}

async function runEvidence(bench: Bench, show: Show): Promise<void> {
  note(`audit rows by 8 bots at once: ${JSON.stringify(await benchAudit(url, bench.run))}`)
  show(await benchRecordDecision(bench))
  show(await benchReplay(bench))
}

function printTable(results: readonly (Measured | MeasuredBatch)[]): void {
  const rows = results.map((measured) => [
    measured.case,
    String(measured.p50Us),
    String(measured.p99Us),
    String(measured.floorP50Us),
    measured.ratio.toFixed(2),
    'growthMiB' in measured ? `memory grew ${measured.growthMiB} MiB` : '',
  ])
  const table = [['case', 'p50 µs', 'p99 µs', 'floor p50 µs', 'ratio', ''], ...rows]
  const widths = (table[0] ?? []).map((_, i) => Math.max(...table.map((row) => (row[i] ?? '').length)))
  for (const row of table) {
    const cells = row.map((cell, i) =>
      i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0),
    )
    process.stdout.write(`${cells.join('  ').trimEnd()}\n`)
  }
}

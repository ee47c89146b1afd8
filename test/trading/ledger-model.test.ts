import fc from 'fast-check'
import { beforeAll, expect, it } from 'vitest'
import type { Connection, Database } from '../../src/db/database.ts'
import type { EngineKind } from '../../src/db/engine.ts'
import {
  type RecordCashFlowInput,
  type RecordFillInput,
  recordCashFlow,
  recordCashFlows,
  recordFill,
  recordFills,
} from '../../src/trading/index.ts'
import { describeEngines } from '../database.ts'
import { arbitraryArrival, arbitraryLedger } from '../model/arbitrary-ledger.ts'
import { fillKey, type ModelFill, type ModelFunding, replayModel } from '../model/ledger-model.ts'
import { EXCHANGE, makeBot, makeInstrument, text } from './ledger-fixture.ts'
import { expectModel, type RecordedLedger } from './ledger-model-check.ts'

const RUNS: Record<EngineKind, number> = { postgres: 40, pg: 40, pglite: 40 }

// Also for making a failure small, which is most of the time when there is one.
const LIMIT_MS = 20_000

/** A report on its way: of a fill or of a payment, for the ledger of that number. */
type Report =
  | { readonly ledger: number; readonly fill: ModelFill }
  | { readonly ledger: number; readonly payment: ModelFunding }

/** Some ledgers, the order in which what is known of them comes, and how much of it comes together: 1 is one by one. */
const deliveries = fc
  .array(arbitraryLedger({ maxFills: 20 }), { minLength: 1, maxLength: 3 })
  .chain((ledgers) => {
    const reports = ledgers.flatMap(({ fills, funding }, ledger): Report[] => [
      ...fills.map((fill) => ({ ledger, fill })),
      ...funding.map((payment) => ({ ledger, payment })),
    ])
    const sizes = fc.array(fc.oneof(fc.constant(1), fc.integer({ min: 2, max: 25 })), {
      minLength: 1,
      maxLength: 12,
    })
    return fc.record({ ledgers: fc.constant(ledgers), arrival: arbitraryArrival(reports), sizes })
  })

describeEngines('the stored ledger', (open) => {
  let db: Connection
  let runs = 0
  beforeAll(async () => {
    db = await open()
  })

  it('is what the model makes of the same facts, whatever their order, number and grouping', async () => {
    await fc.assert(
      fc.asyncProperty(deliveries, async ({ ledgers, arrival, sizes }) => {
        runs += 1
        const recorded = ledgers.map((facts, index) => ({
          botId: `run${runs}-${facts.method}`,
          symbol: `S${runs}:${index}`,
          facts,
        }))
        for (const { botId, symbol, facts } of recorded) {
          await makeBot(db, botId, facts.method)
          await makeInstrument(db, symbol, facts.instrument)
        }
        await deliver(db, recorded, arrival, sizes)
        await expectModel(db, recorded)
      }),
      { numRuns: RUNS[open.engine], interruptAfterTimeLimit: LIMIT_MS, markInterruptAsFailure: false },
    )
  })
})

async function deliver(
  db: Database,
  ledgers: readonly RecordedLedger[],
  arrival: readonly Report[],
  sizes: readonly number[],
): Promise<void> {
  const known = new Set<string>()
  let from = 0
  for (let chunk = 0; from < arrival.length; chunk += 1) {
    const size = sizes[chunk % sizes.length] ?? 1
    const reports = arrival.slice(from, from + size)
    from += size
    if (size === 1) await deliverOne(db, ledgers, arrival.slice(0, from))
    else await deliverTogether(db, ledgers, reports, known)
    for (const report of reports) known.add(nameOf(report))
  }
}

/** Records the last report, and expects the row that comes back to be what the facts known by then give. */
async function deliverOne(
  db: Database,
  ledgers: readonly RecordedLedger[],
  arrived: readonly Report[],
): Promise<void> {
  const last = arrived.at(-1)
  if (!last) return
  if ('payment' in last) {
    const stored = await recordCashFlow(db, flowInput(ledgers, last))
    expect(stored.exchangeFlowId).toBe(last.payment.id)
    return
  }
  const stored = await recordFill(db, fillInput(ledgers, last))
  const facts = ledgers[last.ledger]?.facts
  if (!facts) return
  const model = replayModel({
    ...facts,
    fills: arrived.flatMap((report) =>
      report.ledger === last.ledger && 'fill' in report ? report.fill : [],
    ),
    funding: [],
  })
  const key = fillKey(last.fill)
  expect([text(stored.realisedGross), text(stored.excessQuantity)]).toEqual([
    model.realisedByFill.get(key),
    model.excessByFill.get(key),
  ])
}

async function deliverTogether(
  db: Database,
  ledgers: readonly RecordedLedger[],
  reports: readonly Report[],
  known: ReadonlySet<string>,
): Promise<void> {
  const fills = reports.filter((report) => 'fill' in report)
  const payments = reports.filter((report) => 'payment' in report)
  expect(
    await recordFills(
      db,
      fills.map((report) => fillInput(ledgers, report)),
    ),
  ).toEqual(outcome(fills, known))
  expect(
    await recordCashFlows(
      db,
      payments.map((report) => flowInput(ledgers, report)),
    ),
  ).toEqual(outcome(payments, known))
}

function outcome(reports: readonly Report[], known: ReadonlySet<string>) {
  const fresh = new Set(reports.map(nameOf).filter((name) => !known.has(name)))
  return { inserted: fresh.size, duplicates: reports.length - fresh.size, conflicts: [] }
}

function nameOf(report: Report): string {
  return `${report.ledger} ${'fill' in report ? fillKey(report.fill) : report.payment.id}`
}

function fillInput(
  ledgers: readonly RecordedLedger[],
  { ledger, fill }: { readonly ledger: number; readonly fill: ModelFill },
): RecordFillInput {
  const { botId = '', symbol = '' } = ledgers[ledger] ?? {}
  const { executedAt, liquidation, feeInSettlement, ...rest } = fill
  return {
    ...rest,
    botId,
    exchange: EXCHANGE,
    symbol,
    executedAt: new Date(executedAt),
    kind: liquidation ? 'liquidation' : 'trade',
    feeInSettlement: feeInSettlement ?? undefined,
  }
}

function flowInput(
  ledgers: readonly RecordedLedger[],
  { ledger, payment }: { readonly ledger: number; readonly payment: ModelFunding },
): RecordCashFlowInput {
  const { botId = '', symbol = '', facts } = ledgers[ledger] ?? {}
  return {
    botId,
    exchange: EXCHANGE,
    symbol,
    kind: 'funding',
    positionSide: facts?.fills[0]?.positionSide ?? 'net',
    currency: facts?.instrument.settleCurrency ?? '',
    amount: payment.amount,
    occurredAt: new Date(payment.at),
    exchangeFlowId: payment.id,
  }
}

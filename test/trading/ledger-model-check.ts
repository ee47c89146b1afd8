import { expect } from 'vitest'
import type { Database } from '../../src/db/database.ts'
import { getBot } from '../../src/fleet/index.ts'
import { getInstrument } from '../../src/market/index.ts'
import { type CashFlow, listCashFlows, listOpenPositions, rebuildPositions } from '../../src/trading/index.ts'
import { fillKey, type ModelCycle, type ModelFacts, replayModel } from '../model/ledger-model.ts'
import { quotient, Rational } from '../model/rational.ts'
import { readBot, type StoredBot, text } from './ledger-fixture.ts'

/** A ledger that was recorded: its facts, and whose they are. */
export interface RecordedLedger {
  readonly botId: string
  readonly symbol: string
  readonly facts: ModelFacts
}

/** Fails unless what is stored of the bots is, to the last digit, what the model makes of the facts. */
export async function expectModel(db: Database, ledgers: readonly RecordedLedger[]): Promise<void> {
  for (const botId of new Set(ledgers.map((ledger) => ledger.botId))) {
    const own = ledgers.filter((ledger) => ledger.botId === botId)
    const stored = await readBot(db, botId)
    const flows = await listCashFlows(db, { botId, kind: 'funding', limit: 1_000 })
    for (const ledger of own) expectLedger(ledger, stored, flows)
    const open = stored.positions.filter(({ status }) => status === 'open')
    const bySymbol = open.sort((a, b) => (a.symbol < b.symbol ? -1 : 1))
    expect(await listOpenPositions(db, { botId })).toEqual(bySymbol)
    expect(new Set(open.map(({ symbol, positionSide }) => `${symbol} ${positionSide}`)).size).toBe(
      open.length,
    )
    const touched = own.filter(({ facts }) => facts.fills.length + facts.funding.length > 0)
    expect(await rebuildPositions(db, { botId, dryRun: true })).toEqual({
      ledgers: touched.length,
      differences: [],
    })
  }
}

function expectLedger(
  { symbol, facts }: RecordedLedger,
  stored: StoredBot,
  flows: readonly CashFlow[],
): void {
  const model = replayModel(facts)
  const own = <Row extends { readonly symbol: string }>(rows: readonly Row[]) =>
    rows.filter((row) => row.symbol === symbol)
  const positions = own(stored.positions)
  const fills = own(stored.fills)
  const lotsOf = (id: string) => stored.lots.filter(({ positionId }) => positionId === id)

  expect(inOrder(positions.map((position) => storedCycle(position, lotsOf(position.id))))).toEqual(
    inOrder(model.cycles.map((cycle) => expectedCycle(cycle, facts))),
  )
  expect(inOrder(own(stored.trades).map(storedTrade))).toEqual(
    inOrder(
      model.cycles.filter(({ closedAt }) => closedAt !== null).map((cycle) => expectedTrade(cycle, facts)),
    ),
  )

  expect(new Map(fills.map((fill) => [fillKey(fill), text(fill.realisedGross)]))).toEqual(
    model.realisedByFill,
  )
  expect(new Map(fills.map((fill) => [fillKey(fill), text(fill.excessQuantity)]))).toEqual(model.excessByFill)
  expect(fills).toHaveLength(model.realisedByFill.size)
  expectLinks(positions, fills)
  expectFunding(facts, positions, own(flows))

  const signed = positions.map(({ direction, cost }) => {
    const isPositive = (direction === 'long') === (facts.instrument.kind !== 'inverse')
    return isPositive ? exact(text(cost)) : exact(text(cost)).negate()
  })
  const realised = Rational.sum(fills.map(({ realisedGross }) => exact(text(realisedGross))))
  expect(realised.toText()).toBe(exact(model.netCashFlow).add(Rational.sum(signed)).toText())
  for (const { quantity, cost } of positions) {
    expect(quantity.isNegative()).toBe(false)
    expect(cost.isNegative()).toBe(false)
  }
}

type StoredPosition = StoredBot['positions'][number]

function storedCycle(position: StoredPosition, lots: StoredBot['lots']) {
  const { direction, status, fillCount, openedAt, closedAt, exitReason, positionSide } = position
  return {
    direction,
    status,
    positionSide,
    ...textOf(position, [
      'quantity',
      'cost',
      'peakQuantity',
      'entryQuantity',
      'entryCost',
      'exitQuantity',
      'exitValue',
      'realisedGross',
      'fees',
      'funding',
      'netPnl',
      'averagePrice',
    ]),
    unvaluedFees: position.unvaluedFees,
    openedAt: openedAt.getTime(),
    closedAt: closedAt?.getTime() ?? null,
    exitReason,
    fillCount,
    lots: lots.map((lot) => ({
      ...textOf(lot, ['quantity', 'cost', 'originalQuantity', 'originalCost']),
      openedAt: lot.openedAt.getTime(),
    })),
  }
}

function expectedCycle(cycle: ModelCycle, { instrument, fills }: ModelFacts) {
  return {
    ...cycle,
    positionSide: fills[0]?.positionSide,
    netPnl: netOf(cycle),
    averagePrice: cycle.status === 'open' ? priceOf(cycle.cost, cycle.quantity, instrument) : null,
    exitReason: cycle.status === 'liquidated' ? 'liquidation' : null,
  }
}

function storedTrade(trade: StoredBot['trades'][number]) {
  const { direction, unvaluedFees, isLiquidation, openedAt, closedAt, holdingMs } = trade
  return {
    direction,
    isLiquidation,
    unvaluedFees,
    ...textOf(trade, [
      'quantity',
      'entryCost',
      'entryPrice',
      'exitPrice',
      'gross',
      'fees',
      'funding',
      'netPnl',
      'returnFraction',
    ]),
    openedAt: openedAt.getTime(),
    closedAt: closedAt.getTime(),
    holdingMs,
  }
}

function expectedTrade(cycle: ModelCycle, { instrument }: ModelFacts): ReturnType<typeof storedTrade> {
  const net = netOf(cycle)
  const closedAt = cycle.closedAt ?? Number.NaN
  return {
    direction: cycle.direction,
    isLiquidation: cycle.status === 'liquidated',
    unvaluedFees: cycle.unvaluedFees,
    quantity: cycle.entryQuantity,
    entryCost: cycle.entryCost,
    entryPrice: priceOf(cycle.entryCost, cycle.entryQuantity, instrument),
    exitPrice: priceOf(cycle.exitValue, cycle.exitQuantity, instrument),
    gross: cycle.realisedGross,
    fees: cycle.fees,
    funding: cycle.funding,
    netPnl: net,
    returnFraction:
      net === null || cycle.entryCost === '0' ? null : quotient(exact(net), exact(cycle.entryCost)).toText(),
    openedAt: cycle.openedAt,
    closedAt,
    holdingMs: closedAt - cycle.openedAt,
  }
}

/** Null while the value of a fee is unknown. */
function netOf({ unvaluedFees, realisedGross, fees, funding }: ModelCycle): string | null {
  if (Object.keys(unvaluedFees).length > 0) return null
  return exact(realisedGross).sub(exact(fees)).add(exact(funding)).toText()
}

function priceOf(value: string, quantity: string, instrument: ModelFacts['instrument']): string | null {
  const size = exact(quantity).mul(exact(instrument.contractSize))
  const [dividend, divisor] = instrument.kind === 'inverse' ? [size, exact(value)] : [exact(value), size]
  return divisor.isZero() ? null : quotient(dividend, divisor).toText()
}

/** Each position is named after the fill that opened it, and its fills are those that point at it. */
function expectLinks(positions: readonly StoredPosition[], fills: StoredBot['fills']): void {
  for (const { id, tradeId, fillCount, realisedGross } of positions) {
    const linked = fills.filter((fill) => fill.positionId === id || fill.openedPositionId === id)
    expect(linked).toHaveLength(fillCount)
    const plain = (part: string) => part.replaceAll('%', '%25').replaceAll(':', '%3A')
    expect(
      linked.map(({ exchange, symbol, side, exchangeTradeId }) =>
        [plain(exchange), plain(symbol), side, exchangeTradeId].join(':'),
      ),
    ).toContain(tradeId)
    const gross = linked
      .filter((fill) => fill.positionId === id)
      .map((fill) => exact(text(fill.realisedGross)))
    expect(Rational.sum(gross).toText()).toBe(text(realisedGross))
  }
}

/** A payment belongs to the position held going into its millisecond. */
function expectFunding(
  facts: ModelFacts,
  positions: readonly StoredPosition[],
  flows: readonly CashFlow[],
): void {
  const held = ({ at }: { at: number }) =>
    positions.find(
      ({ openedAt, closedAt }) => openedAt.getTime() < at && (closedAt === null || at <= closedAt.getTime()),
    )?.id ?? null
  expect(new Map(flows.map((flow) => [flow.exchangeFlowId, [text(flow.amount), flow.positionId]]))).toEqual(
    new Map(facts.funding.map((paid) => [paid.id, [exact(paid.amount).toText(), held(paid)]])),
  )
  expect(flows).toHaveLength(facts.funding.length)
}

type TextOf<Row, Key extends keyof Row> = Record<Key, string | null>

function textOf<Row, Key extends keyof Row>(row: Row, keys: readonly Key[]): TextOf<Row, Key> {
  return Object.fromEntries(keys.map((key) => [key, text(row[key] as Parameters<typeof text>[0])])) as TextOf<
    Row,
    Key
  >
}

function inOrder<T extends { readonly openedAt: number }>(rows: readonly T[]): T[] {
  const key = (row: T) => JSON.stringify(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)))
  return [...rows].sort((a, b) => a.openedAt - b.openedAt || (key(a) < key(b) ? -1 : 1))
}

function exact(amount: string | null): Rational {
  return Rational.parse(amount ?? '')
}

/** Fails unless what is stored of the bot is what the model makes of the bot's own stored facts. */
export async function expectReplay(db: Database, botId: string): Promise<void> {
  await expectModel(db, await readLedgers(db, botId))
}

/** The ledgers of a bot as the model takes them: its stored fills and funding, the terms they were recorded under. */
async function readLedgers(db: Database, botId: string): Promise<RecordedLedger[]> {
  const { costBasisMethod: method } = await getBot(db, { botId })
  const { fills } = await readBot(db, botId)
  const flows = await listCashFlows(db, { botId, kind: 'funding', limit: 1_000 })
  const symbols = new Map([...fills, ...flows].map(({ exchange, symbol }) => [symbol, exchange]))
  const ledgers = [...symbols].map(async ([symbol, exchange]) => {
    const { contractSize, ...terms } = await getInstrument(db, { exchange, symbol })
    const facts: ModelFacts = {
      method,
      instrument: { ...terms, contractSize: contractSize.toFixed() },
      fills: fills
        .filter((fill) => fill.symbol === symbol)
        .map((fill) => ({
          ...fill,
          ...textOf(fill, ['feeInSettlement']),
          price: fill.price.toFixed(),
          quantity: fill.quantity.toFixed(),
          fee: fill.fee.toFixed(),
          executedAt: fill.executedAt.getTime(),
          liquidation: fill.kind === 'liquidation',
        })),
      funding: flows
        .filter((flow) => flow.symbol === symbol)
        .map((flow) => ({
          id: flow.exchangeFlowId,
          amount: flow.amount.toFixed(),
          at: flow.occurredAt.getTime(),
        })),
    }
    return { botId, symbol, facts }
  })
  return await Promise.all(ledgers)
}

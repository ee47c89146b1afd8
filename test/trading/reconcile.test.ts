import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import {
  type ExchangePosition,
  findOpenPosition,
  getOpenPosition,
  listFills,
  type PositionComparison,
  type ReconcilePositionsInput,
  reconcilePositions,
  recordFill,
} from '../../src/trading/index.ts'
import { describeEngines } from '../database.ts'
import { EXCHANGE, fillOf, makeBot, makeInstrument, minute, text } from './ledger-fixture.ts'
import { expectReplay } from './ledger-model-check.ts'

describeEngines('reconcilePositions', (open) => {
  let db: Connection
  let bots = 0
  beforeAll(async () => {
    db = await open()
    for (const symbol of ['A', 'B', 'C', 'D']) await makeInstrument(db, symbol)
  })

  async function makeHolder(...fills: [symbol: string, order: string][]): Promise<string> {
    bots += 1
    await makeBot(db, `reconciled-${bots}`)
    for (const [symbol, order] of fills) await recordFill(db, fillOf(`reconciled-${bots}`, symbol, order, 1))
    return `reconciled-${bots}`
  }

  const holding = (symbol: string, direction: 'long' | 'short', quantity: string, entryPrice?: string) => ({
    symbol,
    direction,
    quantity,
    ...(entryPrice === undefined ? {} : { entryPrice }),
  })

  const compare = (
    botId: string,
    positions: ExchangePosition[],
    over: Partial<ReconcilePositionsInput> = {},
  ) => reconcilePositions(db, { botId, exchange: EXCHANGE, positions, at: minute(60), ...over })

  const figures = (found: readonly PositionComparison[]) =>
    found.map((each) => [
      each.symbol,
      ...[each.ourQuantity, each.exchangeQuantity, each.missingQuantity].map(text),
    ])

  it('tells what matches, what differs, what we lack and what the exchange lacks, and changes nothing', async () => {
    const botId = await makeHolder(['A', 'buy 1 @ 10'], ['B', 'sell 2 @ 10'], ['C', 'buy 3 @ 10'])
    const theirs = [
      holding('A', 'long', '1.00', '10'),
      holding('B', 'short', '1.5', '10'),
      holding('D', 'short', '4', '9'),
    ]
    const report = await compare(botId, theirs)
    expect(figures(report.matched)).toEqual([['A', '1', '1', '0']])
    expect(figures(report.differing)).toEqual([['B', '-2', '-1.5', '0.5']])
    expect(figures(report.missing)).toEqual([['D', '0', '-4', '-4']])
    expect(figures(report.unknown)).toEqual([['C', '3', '0', '-3']])
    expect(report.repairs).toEqual([])
    expect(await listFills(db, { botId })).toHaveLength(3)
    // Of another exchange we hold nothing; flat there and flat here is a match.
    const elsewhere = await compare(botId, [holding('A', 'long', '0')], { exchange: 'y' })
    expect(figures(elsewhere.matched)).toEqual([['A', '0', '0', '0']])
    expect([...elsewhere.unknown, ...elsewhere.differing, ...elsewhere.missing]).toEqual([])
  })

  it('repairs each of them, once', async () => {
    const botId = await makeHolder(['A', 'buy 1 @ 10'], ['B', 'sell 2 @ 10'], ['C', 'buy 3 @ 10'])
    const theirs = [
      holding('A', 'long', '4', '11.5'),
      holding('B', 'short', '1.5', '99'),
      holding('D', 'short', '4', '9'),
    ]
    const report = await compare(botId, theirs, { repair: true })
    expect(
      report.repairs.map((fill) => [
        fill.symbol,
        fill.side,
        text(fill.quantity),
        text(fill.price),
        text(fill.realisedGross),
        fill.kind,
      ]),
    ).toEqual([
      // 4 × 11.5 − 1 × 10 = 36 for the 3 that are lacking: 12 each.
      ['A', 'buy', '3', '12', '0', 'adjustment'],
      // Given up at our own average: no PnL.
      ['B', 'buy', '0.5', '10', '0', 'adjustment'],
      ['D', 'sell', '4', '9', '0', 'adjustment'],
      ['C', 'sell', '3', '10', '0', 'adjustment'],
    ])
    const again = await compare(botId, theirs, { repair: true })
    expect(again.matched).toHaveLength(3)
    expect(again.repairs).toEqual([])
    const held = await getOpenPosition(db, { botId, exchange: EXCHANGE, symbol: 'A' })
    expect([held.quantity, held.averagePrice].map(text)).toEqual(['4', '11.5'])
    expect(await findOpenPosition(db, { botId, exchange: EXCHANGE, symbol: 'C' })).toBeUndefined()
    await expectReplay(db, botId)
  })

  it('two who repair by the same report record it once', async () => {
    const botId = await makeHolder(['A', 'buy 1 @ 10'])
    const theirs = [holding('A', 'short', '2', '9')]
    await Promise.all([1, 2, 3].map(() => compare(botId, theirs, { repair: true })))
    expect(await listFills(db, { botId })).toHaveLength(3)
    const held = await getOpenPosition(db, { botId, exchange: EXCHANGE, symbol: 'A' })
    expect([held.direction, text(held.quantity)]).toEqual(['short', '2'])
  })

  it('turns a position without making up PnL, and at the price of the exchange', async () => {
    // The ids of the two repairs are as good as drawn; several, so that each of them sorts first somewhere.
    for (const quantity of ['2', '2.5', '3', '3.5', '4', '4.5', '5', '5.5']) {
      const botId = await makeHolder(['A', 'buy 1 @ 10'])
      const { repairs } = await compare(botId, [holding('A', 'short', quantity, '7')], { repair: true })
      expect(repairs.map((fill) => [fill.side, text(fill.quantity), text(fill.price)])).toEqual([
        ['sell', '1', '10'],
        ['sell', quantity, '7'],
      ])
      const held = await getOpenPosition(db, { botId, exchange: EXCHANGE, symbol: 'A' })
      expect([held.quantity, held.averagePrice, held.realisedGross].map(text), quantity).toEqual([
        quantity,
        '7',
        '0',
      ])
      const fills = await listFills(db, { botId })
      expect(fills.map(({ realisedGross }) => text(realisedGross))).toEqual(['0', '0', '0'])
      await expectReplay(db, botId)
    }
  })

  it('puts a repair after all other fills of its millisecond', async () => {
    const botId = await makeHolder(['A', 'buy 1 @ 10'])
    await recordFill(db, fillOf(botId, 'A', 'sell 1 @ 12', 60, { sequence: 3n }))
    await recordFill(db, fillOf(botId, 'A', 'sell 1 @ 12', 60, { sequence: 4n }))
    await compare(botId, [holding('A', 'long', '5', '11')], { repair: true })
    // The long of 1 at 10 was sold at 12, the short of 1 at 12 is given up at 12, and 5 are bought at 11.
    const fills = (await listFills(db, { botId })).map(({ realisedGross }) => text(realisedGross))
    expect(fills.sort()).toEqual(['0', '0', '0', '0', '2'])
    const held = await getOpenPosition(db, { botId, exchange: EXCHANGE, symbol: 'A' })
    expect([held.quantity, held.averagePrice].map(text)).toEqual(['5', '11'])
    await expectReplay(db, botId)
  })

  it('compares each side of a hedged account with its own', async () => {
    const botId = await makeHolder()
    for (const [order, positionSide] of [
      ['buy 1 @ 10', 'long'],
      ['sell 2 @ 10', 'short'],
    ] as const) {
      await recordFill(db, fillOf(botId, 'B', order, 1, { positionSide }))
    }
    const theirs = [
      { ...holding('B', 'long', '3', '12'), positionSide: 'long' as const },
      { ...holding('B', 'short', '1', '9'), positionSide: 'short' as const },
    ]
    const { differing, repairs } = await compare(botId, theirs, { repair: true })
    expect(
      differing.map(({ positionSide, missingQuantity }) => [positionSide, text(missingQuantity)]),
    ).toEqual([
      ['long', '2'],
      ['short', '1'],
    ])
    expect(repairs.map(({ side, positionSide }) => `${side} ${positionSide}`)).toEqual([
      'buy long',
      'buy short',
    ])
    expect((await compare(botId, theirs)).matched).toHaveLength(2)
  })

  it.each<[string, Partial<ReconcilePositionsInput>]>([
    ['botId', { botId: '' }],
    ['exchange', { exchange: ' ' }],
    ['at', { at: new Date(Number.NaN) }],
    ['positions[0].quantity', { positions: [holding('A', 'long', '-1')] }],
    ['positions[0].quantity', { positions: [holding('A', 'long', 'NaN')] }],
    ['positions[0].entryPrice', { positions: [holding('A', 'long', '1', '0')] }],
    ['positions[0].symbol', { positions: [holding('', 'long', '1')] }],
    ['positions[1].symbol', { positions: [holding('A', 'long', '1'), holding('A', 'long', '2')] }],
    ['positions[0].direction', { positions: [holding('A', 'up' as 'long', '1')] }],
    ['positions[0].direction', { positions: [{ ...holding('A', 'short', '1'), positionSide: 'long' }] }],
    ['entryPrice', { positions: [holding('A', 'long', '1')], repair: true }],
  ])('refuses a bad %s (%#)', async (field, bad) => {
    const botId = await makeHolder()
    await expect(compare(botId, [], bad)).rejects.toMatchObject({ code: 'invalid_input', field })
    expect(await listFills(db, { botId })).toEqual([])
  })
})

import { beforeAll, describe, expect, it } from 'vitest'
import { exportTaxLots } from '../../src/analytics/export.ts'
import { type ListTaxLotsInput, listTaxLots, type TaxLot } from '../../src/analytics/tax-lots.ts'
import type { Connection } from '../../src/db/database.ts'
import type { CostBasisMethod } from '../../src/fleet/index.ts'
import { type RecordFillInput, recordCashFlow, recordFill, recordFills } from '../../src/trading/index.ts'
import { describeDatabases } from '../database.ts'
import { EXCHANGE, fillOf, makeBot, makeInstrument, minute, text } from '../trading/ledger-fixture.ts'

const DAY_MINUTES = 24 * 60

/** Quantity, cost, proceeds, fees and gain. */
const figures = (lot: TaxLot) =>
  [lot.quantity, lot.cost, lot.proceeds, lot.fees, lot.gain].map(text).join(' ')
/** The minutes of opening and closing. */
const times = (lot: TaxLot) => [lot.openedAt, lot.closedAt].map((at) => (+at - +minute(0)) / 60_000)

describeDatabases('listTaxLots', (open) => {
  let db: Connection
  let bots = 0
  beforeAll(async () => {
    db = await open()
    await makeInstrument(db, 'BTC')
    await makeInstrument(db, 'ETH', { baseCurrency: 'ETH' })
    await makeInstrument(db, 'COIN', { kind: 'spot' })
    await makeInstrument(db, 'INV', { kind: 'inverse', contractSize: '100' })
  })

  async function record(
    method: CostBasisMethod,
    ...fills: [symbol: string, order: string, at: number, over?: Partial<RecordFillInput>][]
  ): Promise<string> {
    bots += 1
    const botId = `lots-${bots}`
    await makeBot(db, botId, method)
    await recordFills(
      db,
      fills.map(([symbol, order, at, over]) =>
        fillOf(botId, symbol, order, at, { feeCurrency: 'USD', ...over }),
      ),
    )
    return botId
  }

  it('gives what a long and a short brought, less the fees of both ends', async () => {
    const botId = await record(
      'fifo',
      ['BTC', 'buy 2 @ 100', 0, { fee: '1' }],
      ['BTC', 'sell 2 @ 110', 5, { fee: '0.5' }],
      ['BTC', 'sell 1 @ 100', 10],
      ['BTC', 'buy 1 @ 90', 11],
    )
    const lots = await listTaxLots(db, { botId })
    // Bought for 200, sold for 220, fees 1.5: 18.5. Sold for 100, covered for 90: 10.
    expect(lots.map(figures)).toEqual(['2 200 220 1.5 18.5', '1 90 100 0 10'])
    expect(lots.map(times)).toEqual([
      [0, 5],
      [10, 11],
    ])
    expect(lots[1]).toMatchObject({
      botId,
      exchange: EXCHANGE,
      symbol: 'BTC',
      positionSide: 'net',
      ordinal: 2,
      direction: 'short',
      method: 'fifo',
      currency: 'USD',
      holdingMs: 60_000,
      holdingDays: 0,
    })
  })

  it('closes a lot in parts, each with its share of cost and fees', async () => {
    // 4 at 10 for a fee of 0.8: 10 and 0.2 each. 1 sold at 12 for a fee of 0.1, 3 at 9 for 0.3.
    const botId = await record(
      'fifo',
      ['BTC', 'buy 4 @ 10', 0, { fee: '0.8' }],
      ['BTC', 'sell 1 @ 12', 1, { fee: '0.1' }],
      ['BTC', 'sell 3 @ 9', 2, { fee: '0.3' }],
    )
    const lots = await listTaxLots(db, { botId })
    expect(lots.map(figures)).toEqual(['1 10 12 0.3 1.7', '3 30 27 0.9 -3.9'])
    expect(lots.map(times)).toEqual([
      [0, 1],
      [0, 2],
    ])
  })

  it('takes the oldest lot, the newest, or the average, as the bot counts', async () => {
    const fills: Parameters<typeof record>[1][] = [
      ['BTC', 'buy 1 @ 10', 0, { fee: '0.1' }],
      ['BTC', 'buy 1 @ 20', 1, { fee: '0.3' }],
      ['BTC', 'sell 1.5 @ 30', 2, { fee: '0.6' }],
    ]
    const lotsBy = async (method: CostBasisMethod) =>
      listTaxLots(db, { botId: await record(method, ...fills) })
    // The exit fee of 0.6 is 0.4 for the whole lot and 0.2 for the half.
    const fifo = await lotsBy('fifo')
    expect(fifo.map(figures)).toEqual(['1 10 30 0.5 19.5', '0.5 10 15 0.35 4.65'])
    expect(fifo.map(times)).toEqual([
      [0, 2],
      [1, 2],
    ])
    const lifo = await lotsBy('lifo')
    expect(lifo.map(figures)).toEqual(['1 20 30 0.7 9.3', '0.5 5 15 0.25 9.75'])
    expect(lifo.map(times)).toEqual([
      [1, 2],
      [0, 2],
    ])
    // 1.5 of 2 at an average of 15; three quarters of the entry fees of 0.4.
    const average = await lotsBy('average')
    expect(average.map(figures)).toEqual(['1.5 22.5 45 0.9 21.6'])
    expect(average.map(times)).toEqual([[0, 2]])
    expect(average[0]).toMatchObject({ method: 'average', openedAt: minute(0) })
  })

  it('does not know the fees nor the gain while a fee has no value', async () => {
    const botId = await record(
      'fifo',
      ['BTC', 'buy 1 @ 10', 0, { fee: '0.01', feeCurrency: 'BNB' }],
      ['BTC', 'buy 1 @ 10', 1, { fee: '0.01', feeCurrency: 'BNB', feeInSettlement: '3' }],
      ['BTC', 'sell 2 @ 15', 2],
    )
    const lots = await listTaxLots(db, { botId })
    expect(lots.map((lot) => [lot.fees, lot.gain].map(text))).toEqual([
      [null, null],
      ['3', '2'],
    ])
    expect(lots.map(({ cost, proceeds }) => [cost, proceeds].map(text))).toEqual([
      ['10', '15'],
      ['10', '15'],
    ])
  })

  it('turns a position: the rest of the closing fill opens the next lot', async () => {
    const botId = await record(
      'average',
      ['BTC', 'buy 1 @ 10', 0],
      ['BTC', 'sell 4 @ 12', 1, { fee: '0.4' }],
      ['BTC', 'buy 3 @ 11', 2, { fee: '0.2' }],
    )
    const lots = await listTaxLots(db, { botId })
    // A quarter of 0.4 belongs to the long. The short: sold for 36, covered for 33, fees 0.3 + 0.2.
    expect(lots.map(figures)).toEqual(['1 10 12 0.1 1.9', '3 33 36 0.5 2.5'])
    expect(lots.map((lot) => lot.direction)).toEqual(['long', 'short'])
  })

  it('counts inverse contracts in coins, where the entry of a long is what comes in', async () => {
    const botId = await record(
      'fifo',
      ['INV', 'buy 10 @ 100', 0, { fee: '0.1', feeCurrency: 'BTC' }],
      ['INV', 'sell 10 @ 125', 1],
      ['INV', 'sell 10 @ 100', 2],
      ['INV', 'buy 10 @ 125', 3],
    )
    const lots = await listTaxLots(db, { botId })
    // 10 contracts of 100 USD are 10 BTC at 100 and 8 at 125. The long gains 2 less 0.1; the short loses 2.
    expect(lots.map(figures)).toEqual(['10 8 10 0.1 1.9', '10 10 8 0 -2'])
    expect(lots.map((lot) => lot.currency)).toEqual(['BTC', 'BTC'])
  })

  it('holds less of a coin that was bought for a fee in coins', async () => {
    const botId = await record(
      'fifo',
      ['COIN', 'buy 1 @ 100', 0, { fee: '0.01', feeCurrency: 'BTC' }],
      ['COIN', 'sell 0.99 @ 110', 1],
    )
    // 0.99 were left, for 99; the fee was worth 1. 108.9 − 99 − 1 = 8.9: the cash, 108.9 − 100.
    expect((await listTaxLots(db, { botId })).map(figures)).toEqual(['0.99 99 108.9 1 8.9'])
  })

  it('keeps both sides of a hedge apart, and what a close has no position for out', async () => {
    const botId = await record(
      'fifo',
      ['BTC', 'buy 1 @ 10', 0, { positionSide: 'long' }],
      ['BTC', 'sell 2 @ 20', 1, { positionSide: 'short' }],
      ['BTC', 'sell 3 @ 30', 2, { positionSide: 'long' }],
      ['BTC', 'buy 2 @ 15', 3, { positionSide: 'short' }],
    )
    const lots = await listTaxLots(db, { botId })
    expect(lots.map((lot) => `${lot.positionSide} ${lot.ordinal}: ${figures(lot)}`)).toEqual([
      'long 1: 1 10 30 0 20',
      'short 1: 2 30 40 0 10',
    ])
  })

  it('orders fills of one millisecond as the ledger does: by sequence, then by id, 9 before 10', async () => {
    const botId = await record(
      'fifo',
      ['BTC', 'sell 1 @ 50', 0, { sequence: 3n, exchangeTradeId: '1' }],
      ['BTC', 'buy 1 @ 20', 0, { sequence: 2n, exchangeTradeId: '10' }],
      ['BTC', 'buy 1 @ 10', 0, { sequence: 2n, exchangeTradeId: '9' }],
    )
    expect((await listTaxLots(db, { botId })).map(figures)).toEqual(['1 10 50 0 40'])
  })

  it('counts whole days of 24 hours', async () => {
    const botId = await record(
      'fifo',
      ['BTC', 'buy 3 @ 10', 0],
      ['BTC', 'sell 1 @ 10', DAY_MINUTES - 1],
      ['BTC', 'sell 1 @ 10', DAY_MINUTES],
      ['BTC', 'sell 1 @ 10', 366 * DAY_MINUTES],
    )
    const lots = await listTaxLots(db, { botId })
    expect(lots.map((lot) => lot.holdingDays)).toEqual([0, 1, 366])
    expect(lots[0]?.holdingMs).toBe(86_340_000)
  })

  describe('a span of time', () => {
    const months = () =>
      record(
        'fifo',
        ['BTC', 'buy 3 @ 10', 0],
        ['BTC', 'buy 3 @ 20', 1],
        ['BTC', 'sell 2 @ 30', 2],
        ['BTC', 'sell 2 @ 30', 3],
        ['BTC', 'sell 2 @ 30', 4],
      )

    it('takes what closed at `from` and leaves out what closed at `to`, and counts from the beginning', async () => {
      const botId = await months()
      // The sale of minute 3 takes the third at 10 and the fourth at 20, because two were sold before.
      const middle = await listTaxLots(db, { botId, from: minute(3), to: minute(4) })
      expect(middle.map((lot) => `${lot.ordinal}: ${figures(lot)}`)).toEqual([
        '2: 1 10 30 0 20',
        '3: 1 20 30 0 10',
      ])
      const closings = async (span: Pick<ListTaxLotsInput, 'from' | 'to'>) =>
        (await listTaxLots(db, { botId, ...span })).map((lot) => lot.ordinal)
      expect(await closings({ from: minute(3) })).toEqual([2, 3, 4])
      expect(await closings({ to: minute(3) })).toEqual([1])
      expect(await closings({ to: minute(2) })).toEqual([])
      expect(await closings({ from: minute(5) })).toEqual([])
    })

    it('must not end before it begins, nor be no time', async () => {
      const span = { botId: 'a', from: minute(2), to: minute(2) }
      await expect(listTaxLots(db, span)).rejects.toMatchObject({ code: 'invalid_input', field: 'to' })
      const from = new Date(Number.NaN)
      await expect(listTaxLots(db, { botId: 'a', from })).rejects.toMatchObject({ field: 'from' })
    })
  })

  it('goes on after the last lot of the page before, from symbol to symbol', async () => {
    const botId = await record(
      'fifo',
      ...['BTC', 'ETH'].flatMap((symbol): Parameters<typeof record>[1][] => [
        [symbol, 'buy 3 @ 10', 0],
        [symbol, 'sell 1 @ 11', 1],
        [symbol, 'sell 1 @ 12', 2],
        [symbol, 'sell 1 @ 13', 3],
      ]),
      ['INV', 'buy 1 @ 10', 0],
    )
    const name = (lot: TaxLot) => `${lot.symbol} ${lot.ordinal}`
    const all = await listTaxLots(db, { botId })
    expect(all.map(name)).toEqual(['BTC 1', 'BTC 2', 'BTC 3', 'ETH 1', 'ETH 2', 'ETH 3'])
    const paged: TaxLot[] = []
    for (;;) {
      const page = await listTaxLots(db, { botId, limit: 2, after: paged.at(-1) })
      paged.push(...page)
      if (page.length < 2) break
    }
    expect(paged).toEqual(all)
    const late = await listTaxLots(db, { botId, from: minute(2), limit: 2, after: all[1] })
    expect(late.map(name)).toEqual(['BTC 3', 'ETH 2'])
  })

  it('refuses a page after nothing it knows', async () => {
    const botId = await record('fifo', ['BTC', 'buy 1 @ 10', 0])
    const after = { exchange: EXCHANGE, symbol: 'BTC', positionSide: 'net', ordinal: 1 } as const
    expect(await listTaxLots(db, { botId, after })).toEqual([])
    const refused = (over: object) => listTaxLots(db, { botId, after: { ...after, ...over } })
    await expect(refused({ symbol: 'XRP' })).rejects.toMatchObject({
      code: 'invalid_input',
      field: 'after.symbol',
      message: `after.symbol 'XRP' is none of bot '${botId}'`,
    })
    await expect(refused({ ordinal: 1.5 })).rejects.toMatchObject({ field: 'after.ordinal' })
    await expect(refused({ exchange: '' })).rejects.toMatchObject({ field: 'after.exchange' })
    await expect(refused({ positionSide: 'both' })).rejects.toMatchObject({ field: 'after.positionSide' })
    await expect(listTaxLots(db, { botId, limit: 0 })).rejects.toMatchObject({ field: 'limit' })
  })

  it('has nothing of a bot that closed nothing, or was only charged funding', async () => {
    const botId = await record('fifo', ['BTC', 'buy 1 @ 10', 0])
    await recordCashFlow(db, {
      botId,
      exchange: EXCHANGE,
      symbol: 'ETH',
      kind: 'funding',
      currency: 'USD',
      amount: '1',
      occurredAt: minute(1),
    })
    expect(await listTaxLots(db, { botId })).toEqual([])
  })

  it('does not know an unknown bot', async () => {
    await expect(listTaxLots(db, { botId: 'nobody' })).rejects.toMatchObject({ code: 'not_found' })
    await expect(listTaxLots(db, { botId: 'a b' })).rejects.toMatchObject({ field: 'botId' })
  })

  it('takes in a fill that came late', async () => {
    const botId = await record('fifo', ['BTC', 'buy 1 @ 10', 1], ['BTC', 'sell 1 @ 30', 2])
    await recordFill(db, fillOf(botId, 'BTC', 'buy 1 @ 5', 0))
    expect((await listTaxLots(db, { botId })).map(figures)).toEqual(['1 5 30 0 25'])
  })

  it('is exported line by line, in the same order', async () => {
    const botId = await record(
      'lifo',
      ['ETH', 'buy 1 @ 10', 0, { fee: '0.1', feeCurrency: 'BNB' }],
      ['ETH', 'sell 1 @ 9', 1],
      ['BTC', 'sell 1 @ 100', 0],
      ['BTC', 'buy 1 @ 110', DAY_MINUTES],
    )
    let csv = ''
    for await (const piece of exportTaxLots(db, { botId, format: 'csv' })) csv += piece
    expect(csv.split('\r\n')).toEqual([
      'bot_id,exchange,symbol,position_side,ordinal,direction,method,quantity,opened_at,closed_at,holding_ms,holding_days,currency,cost,proceeds,fees,gain',
      `${botId},x,BTC,net,1,short,lifo,1,2024-01-15T12:00:00.000Z,2024-01-16T12:00:00.000Z,86400000,1,USD,110,100,0,-10`,
      `${botId},x,ETH,net,1,long,lifo,1,2024-01-15T12:00:00.000Z,2024-01-15T12:01:00.000Z,60000,0,USD,10,9,,`,
      '',
    ])
    let json = ''
    for await (const piece of exportTaxLots(db, { botId, format: 'json', from: minute(2) })) json += piece
    expect(JSON.parse(json)).toMatchObject([{ symbol: 'BTC', gain: '-10', holding_days: 1, ordinal: 1 }])
  })
})

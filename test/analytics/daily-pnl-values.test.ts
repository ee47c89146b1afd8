import { beforeAll, expect, it } from 'vitest'
import type { Connection } from '../../src/db/database.ts'
import { describeDatabases } from '../database.ts'
import type { ModelInstrument } from '../model/ledger-model.ts'
import {
  at,
  calculate,
  closes,
  column,
  EUR_USD,
  flows,
  INVERSE,
  LINEAR,
  ledger,
  record,
} from './daily-pnl-facts.ts'

describeDatabases('the values of a day', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  it('has a return once there is something to gain with', async () => {
    // 100 come before the first fill, then 10 of them are lost; without equity nothing is a fraction of it.
    const first = await record(db, {
      initialEquity: '0',
      ledgers: [
        ledger([
          ['05 10:00', 'buy 1 @ 100'],
          ['05 11:00', 'sell 1 @ 90'],
        ]),
      ],
      flows: flows(['05 09:00', '100']),
    })
    expect(column(await calculate(db, first, '05', '05', '06 00:00'), 'returnFraction', 'growth')).toEqual([
      [-0.1, 0.9],
    ])
    // After it: nothing to gain with on the first day; on the second 9 of 90.
    const second = await record(db, {
      initialEquity: '0',
      ledgers: [
        ledger([
          ['05 10:00', 'buy 1 @ 100'],
          ['05 11:00', 'sell 1 @ 90'],
          ['06 10:00', 'buy 1 @ 100'],
          ['06 11:00', 'sell 1 @ 109'],
        ]),
      ],
      flows: flows(['05 10:30', '100']),
    })
    expect(
      column(
        await calculate(db, second, '05', '06', '07 00:00'),
        'returnFraction',
        'growth',
        'returnCount',
        'equityEnd',
      ),
    ).toEqual([
      [null, 1, 0, '90'],
      [0.1, 1.1, 1, '99'],
    ])
  })

  it('has no growth left once more than all was lost', async () => {
    // 1000 − 1500 = −500; a deposit of 2000 makes that 1500, and 150 are won with it: in debt there was nothing to gain with.
    const botId = await record(db, {
      ledgers: [
        ledger([
          ['05 10:00', 'buy 1 @ 2000'],
          ['05 11:00', 'sell 1 @ 500'],
          ['07 10:00', 'buy 1 @ 100'],
          ['07 11:00', 'sell 1 @ 250'],
        ]),
      ],
      flows: flows(['06 12:00', '2000']),
    })
    const days = await calculate(db, botId, '05', '07', '08 00:00')
    expect(
      column(
        days,
        'equityEnd',
        'returnFraction',
        'growth',
        'drawdownFraction',
        'maxDrawdownFraction',
        'drawdownAmount',
        'calmar',
      ),
    ).toEqual([
      ['-500', -1.5, 0, 1, 1, '1500', -1],
      ['1500', 0, 0, 1, 1, '1500', -1],
      ['1650', 0.1, 0, 1, 1, '1350', -1],
    ])
  })

  it('has ratios, or none, of returns however large and small', async () => {
    // Won a thousandfold on the first day, which in a year would be 1001^365; then a little is lost.
    const rich = await record(db, {
      ledgers: [
        ledger([
          ['05 10:00', 'buy 1 @ 1'],
          ['05 11:00', 'sell 1 @ 1000001'],
          ['06 10:00', 'buy 1 @ 100'],
          ['06 11:00', 'sell 1 @ 99'],
        ]),
      ],
    })
    const won = await calculate(db, rich, '05', '06', '07 00:00')
    expect(column(won, 'returnFraction', 'calmar')[0]).toEqual([1000, null])
    expect(won[1]?.calmar).toBeNull()
    // Lost all but a millionth, which in a year would be 10^-2190.
    const poor = await record(db, {
      ledgers: [
        ledger([
          ['05 10:00', 'buy 1 @ 1000'],
          ['05 11:00', 'sell 1 @ 0.001'],
        ]),
      ],
    })
    expect(column(await calculate(db, poor, '05', '05', '06 00:00'), 'calmar')[0]?.[0]).toBeCloseTo(-1, 5)
    // Ten times a hundred million-fold is more than a double holds.
    const orders = Array.from({ length: 14 }, (_, i): (readonly [string, string])[] => [
      [`${String(i + 1).padStart(2, '0')} 10:00`, 'buy 1 @ 1'],
      [`${String(i + 1).padStart(2, '0')} 11:00`, `sell 1 @ 1${'0'.repeat(25)}`],
      [`${String(i + 1).padStart(2, '0')} 12:00`, `buy 1 @ 1${'0'.repeat(25)}`],
      [`${String(i + 1).padStart(2, '0')} 13:00`, 'sell 1 @ 1.000001'],
    ]).flat()
    const back = await record(db, { initialEquity: '1', ledgers: [ledger(orders)] })
    expect(await calculate(db, back, '01', '14', '15 00:00')).toHaveLength(14)
  })

  it('keeps an inverse contract in the coin it settles in', async () => {
    // 10 contracts of 100 USD for 1000/20000 = 0.05 BTC; at 25000 they are worth 0.04: a long gains 0.01 BTC. Half closed at 25000: 0.005.
    const botId = await record(db, {
      baseCurrency: 'BTC',
      initialEquity: '2',
      ledgers: [
        ledger(
          [
            ['05 10:00', 'buy 10 @ 20000', { fee: '0.0001' }],
            ['05 12:00', 'sell 5 @ 25000'],
          ],
          INVERSE,
        ),
      ],
      closes: closes('S', ['05 14:00', '25000']),
    })
    const days = await calculate(db, botId, '05', '05', '06 00:00')
    expect(column(days, 'realisedGross', 'fees', 'unrealisedPnl', 'equityEnd', 'volume', 'unvalued')).toEqual(
      [
        // 0.05 and 500/25000 = 0.02.
        ['0.005', '0.0001', '0.005', '2.0099', '0.07', []],
      ],
    )
  })

  it('values what settles in another currency at the rate of the end of each day', async () => {
    // Gains 100 EUR on the 5th (rate 1.1), nothing on the 6th (1.2): 10 of revaluation. That rate is good for three days more. When the 10th
    // ends it is 100 hours old; on the 11th there is one of 1.25: these two know no change. On the 12th 1.3: 5 more.
    const instrument = { ...LINEAR, quoteCurrency: 'EUR', settleCurrency: 'EUR' }
    const botId = await record(db, {
      ledgers: [
        ledger(
          [
            ['05 10:00', 'buy 1 @ 100'],
            ['05 11:00', 'sell 1 @ 200'],
          ],
          instrument,
        ),
      ],
      closes: closes(
        'EUR/USD',
        ['05 20:00', '1.1'],
        ['06 20:00', '1.2'],
        ['11 20:00', '1.25'],
        ['12 20:00', '1.3'],
      ),
      pairs: [EUR_USD],
    })
    const days = await calculate(db, botId, '05', '12', '13 00:00')
    expect(
      column(days, 'netPnl', 'revaluation', 'totalPnl', 'balanceEnd', 'equityEnd', 'unvalued', 'grossProfit'),
    ).toEqual([
      ['110', '0', '110', '1110', '1110', [], '110'],
      ['0', '10', '10', '1120', '1120', [], '0'],
      ['0', '0', '0', '1120', '1120', [], '0'],
      ['0', '0', '0', '1120', '1120', [], '0'],
      ['0', '0', '0', '1120', '1120', [], '0'],
      ['0', null, null, null, null, ['EUR'], '0'],
      ['0', null, null, '1125', '1125', [], '0'],
      ['0', '5', '5', '1130', '1130', [], '0'],
    ])
    // 1125 / 1120 over the gap.
    expect(days.map(({ returnFraction }) => returnFraction?.toFixed(10) ?? null)).toEqual(
      [110 / 1000, 10 / 1110, 0, 0, 0, null, 5 / 1120, 5 / 1125].map((value) => value?.toFixed(10) ?? null),
    )
  })

  it('takes a rate the other way round where that is how the two are traded', async () => {
    const instrument = { ...LINEAR, quoteCurrency: 'EUR', settleCurrency: 'EUR' }
    const botId = await record(db, {
      ledgers: [
        ledger(
          [
            ['05 10:00', 'buy 1 @ 100'],
            ['05 11:00', 'sell 1 @ 200'],
          ],
          instrument,
        ),
      ],
      closes: closes('USD/EUR', ['05 20:00', '0.8']),
      pairs: [{ symbol: 'USD/EUR', base: 'USD', quote: 'EUR' }],
    })
    // 100 EUR / 0.8.
    expect(column(await calculate(db, botId, '05', '05', '06 00:00'), 'netPnl')).toEqual([['125']])
  })

  it('does not know what money of another currency is worth without a rate, and says so', async () => {
    const botId = await record(db, {
      ledgers: [
        ledger([
          ['05 10:00', 'buy 1 @ 100', { fee: '0.5', feeCurrency: 'BNB' }],
          ['05 11:00', 'sell 1 @ 110', { fee: '1' }],
        ]),
      ],
    })
    const days = await calculate(db, botId, '05', '06', '07 00:00')
    expect(
      column(
        days,
        'realisedGross',
        'fees',
        'netPnl',
        'totalPnl',
        'balanceEnd',
        'equityEnd',
        'returnFraction',
        'unvalued',
      ),
    ).toEqual([
      ['10', null, null, null, null, null, null, ['BNB']],
      ['0', '0', '0', null, null, null, null, ['BNB']],
    ])
    expect(column(days, 'tradeCount', 'unvaluedTradeCount', 'winRate', 'currentStreak', 'growth')[0]).toEqual(
      [1, 1, null, 0, 1],
    )
  })

  it('has no return over days of which a deposit cannot be valued, and goes on after them', async () => {
    // Loses 100 of 1000. 100 EUR come on the 6th, which has no rate: 900 become 900 + 110 on the 7th, of which nobody knows what was gained.
    // On the 8th 101 of these 1010 are lost.
    const botId = await record(db, {
      ledgers: [
        ledger([
          ['05 10:00', 'buy 1 @ 200'],
          ['05 11:00', 'sell 1 @ 100'],
          ['08 10:00', 'buy 1 @ 201'],
          ['08 11:00', 'sell 1 @ 100'],
        ]),
      ],
      flows: flows(['06 10:00', '100', { currency: 'EUR' }]),
      closes: closes('EUR/USD', ['07 20:00', '1.1'], ['08 20:00', '1.1']),
      pairs: [EUR_USD],
    })
    const days = await calculate(db, botId, '05', '08', '09 00:00')
    expect(
      column(days, 'externalFlows', 'equityEnd', 'returnFraction', 'drawdownAmount', 'returnCount'),
    ).toEqual([
      ['0', '900', -0.1, '100', 1],
      [null, null, null, '100', 1],
      ['0', '1010', null, '100', 1],
      ['0', '909', -0.1, '201', 2],
    ])
    expect(days.map(({ growth }) => growth.toFixed(12))).toEqual(
      [0.9, 0.9, 0.9, 0.81].map((one) => one.toFixed(12)),
    )
  })

  it('names the currency of a position that cannot be valued for want of a rate', async () => {
    const instrument = { ...LINEAR, quoteCurrency: 'EUR', settleCurrency: 'EUR' }
    const botId = await record(db, {
      ledgers: [ledger([['05 10:00', 'buy 1 @ 100']], instrument)],
      closes: closes('S', ['05 20:00', '110'], ['06 20:00', '120']),
    })
    // The volume of the first day cannot be valued either; on the second there is nothing but the position.
    expect(
      column(await calculate(db, botId, '05', '06', '07 00:00'), 'unrealisedPnl', 'volume', 'unvalued'),
    ).toEqual([
      [null, null, ['EUR']],
      [null, '0', ['EUR']],
    ])
  })

  it('names what cannot be valued once, and by name', async () => {
    const hedged = [
      ['05 10:00', 'buy 1 @ 100', { positionSide: 'long' }],
      ['05 10:00', 'sell 1 @ 100', { positionSide: 'short', exchangeTradeId: 'other' }],
    ] as const
    const botId = await record(db, {
      ledgers: [
        { ...ledger([hedged[0]]), symbol: 'b' },
        { ...ledger([hedged[1]]), symbol: 'b' },
        { ...ledger([['05 10:00', 'buy 1 @ 100']]), symbol: 'C' },
        { ...ledger([['05 10:00', 'buy 1 @ 100']]), symbol: 'a' },
      ],
      flows: flows(['06 10:00', '1', { currency: 'B' }]),
    })
    // The fills are more than four days old when the 9th ends.
    expect(column(await calculate(db, botId, '09', '09', '10 00:00'), 'unvalued')).toEqual([
      [['B', 'C', 'a', 'b']],
    ])
  })

  it('charges for a closing fill of a hedged side that holds nothing, though it is nobody’s trade', async () => {
    const hedged = { positionSide: 'long' } as const
    const botId = await record(db, {
      ledgers: [
        ledger([
          ['05 09:00', 'sell 1 @ 100', { ...hedged, fee: '0.1' }],
          ['05 10:00', 'buy 1 @ 100', hedged],
          // Two more than are held.
          ['05 11:00', 'sell 3 @ 105', { ...hedged, fee: '0.3' }],
        ]),
      ],
    })
    expect(
      column(
        await calculate(db, botId, '05', '05', '06 00:00'),
        'realisedGross',
        'fees',
        'netPnl',
        'volume',
        'tradeCount',
        'bestTrade',
        'fillCount',
      ),
    ).toEqual([['5', '0.4', '4.6', '515', 1, '4.7', 3]])
  })

  it('holds the coins that are left after a fee in coins', async () => {
    const spot: ModelInstrument = { ...LINEAR, kind: 'spot' }
    // Buys 1 at 100 and gets 0.99, for 99 and a fee of 1; at 110 they are worth 108.9.
    const botId = await record(db, {
      ledgers: [ledger([['05 10:00', 'buy 1 @ 100', { fee: '0.01', feeCurrency: 'BTC' }]], spot)],
      closes: closes('S', ['05 20:00', '110']),
    })
    expect(
      column(await calculate(db, botId, '05', '05', '06 00:00'), 'fees', 'unrealisedPnl', 'equityEnd'),
    ).toEqual([['1', '9.9', '1008.9']])
  })

  it('takes the mark of the day in progress before a close, and the close once the day is over', async () => {
    const held = ledger([['05 10:00', 'buy 1 @ 100']])
    const botId = await record(db, {
      ledgers: [{ ...held, mark: { price: '107', at: at('05 12:00') } }],
      closes: closes('S', ['05 13:00', '103']),
    })
    const seen = async (now: string) =>
      column(await calculate(db, botId, '05', '09', now), 'unrealisedPnl').flat()
    expect(await seen('05 11:59')).toEqual(['0'])
    expect(await seen('05 12:00')).toEqual(['7'])
    expect(await seen('05 23:59')).toEqual(['7'])
    expect(await seen('06 00:00')).toEqual(['3', '7'])
    expect(await seen('06 11:59')).toEqual(['3', '7'])
    // The mark is a day old, then the candle is four days old, then older.
    expect(await seen('06 12:00')).toEqual(['3', '3'])
    expect(await seen('09 13:00')).toEqual(['3', '3', '3', '3', '3'])
    expect(await seen('09 13:00:00.001')).toEqual(['3', '3', '3', '3', null])
  })
})

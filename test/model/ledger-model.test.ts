import { describe, expect, test } from 'vitest'
import {
  compareInLedgerOrder,
  fillKey,
  type ModelFill,
  type ModelInstrument,
  type ModelMethod,
  replayModel,
} from './ledger-model.ts'

const LINEAR = {
  kind: 'linear',
  baseCurrency: 'BTC',
  quoteCurrency: 'USD',
  settleCurrency: 'USD',
  contractSize: '1',
} as const
const SPOT = { ...LINEAR, kind: 'spot' } as const
const INVERSE = { ...LINEAR, kind: 'inverse', settleCurrency: 'BTC' } as const

/** Writes a fill as `buy 1 @ 2`. It comes a millisecond after the fill before it in the same list. */
function listed(orders: readonly (string | [order: string, rest: Partial<ModelFill>])[]): ModelFill[] {
  return orders.map((entry, index) => {
    const [order, rest] = typeof entry === 'string' ? [entry, {}] : entry
    const [side, quantity = '', , price = ''] = order.split(' ')
    return {
      exchangeTradeId: `${index + 1}`,
      side: side === 'buy' ? 'buy' : 'sell',
      positionSide: 'net',
      price,
      quantity,
      fee: '0',
      feeCurrency: 'USD',
      executedAt: index + 1,
      sequence: 0n,
      ...rest,
    }
  })
}

function replay(
  orders: Parameters<typeof listed>[0],
  options: {
    instrument?: ModelInstrument
    method?: ModelMethod
    funding?: [at: number, amount: string][]
  } = {},
) {
  const { instrument = LINEAR, method = 'average', funding = [] } = options
  const payments = funding.map(([at, amount], index) => ({ id: `${index}`, at, amount }))
  return replayModel({ fills: listed(orders), funding: payments, instrument, method })
}

describe('cost', () => {
  test('average cost rounds the removed part to 40 decimals, and what is left keeps the difference', () => {
    // 3 for 1 + 4 = 5. Closing 1 of 3 removes 5/3 = 1.66…67, closing the other 2 the rest, 3.33…33.
    const ledger = replay(['buy 1 @ 1', 'buy 2 @ 2', 'sell 1 @ 3', 'sell 2 @ 3'])
    expect(ledger.realisedByFill.get('sell|3')).toBe(`1.${'3'.repeat(40)}`)
    expect(ledger.realisedByFill.get('sell|4')).toBe(`2.${'6'.repeat(39)}7`)
    expect(ledger.realisedByFill.get('buy|1')).toBe('0')
    expect(ledger).toMatchObject({ totalGross: '4', netCashFlow: '4', signedOpenCost: '0' })
    expect(ledger.cycles).toEqual([
      {
        direction: 'long',
        status: 'closed',
        quantity: '0',
        cost: '0',
        peakQuantity: '3',
        entryQuantity: '3',
        entryCost: '5',
        exitQuantity: '3',
        exitValue: '9',
        realisedGross: '4',
        fees: '0',
        unvaluedFees: {},
        funding: '0',
        openedAt: 1,
        closedAt: 4,
        lots: [],
        fillCount: 4,
      },
    ])
  })

  const INTERLEAVED = ['buy 4 @ 1', 'buy 4 @ 2', 'sell 2 @ 5', 'buy 4 @ 3', 'sell 7 @ 5']

  test('fifo takes the oldest lots', () => {
    // The 2 come from the first 4: 10 − 2. The 7 are 2 at 1, 4 at 2 and 1 at 3: 35 − 13.
    const { cycles, realisedByFill } = replay(INTERLEAVED, { method: 'fifo' })
    expect([realisedByFill.get('sell|3'), realisedByFill.get('sell|5')]).toEqual(['8', '22'])
    expect(cycles[0]).toMatchObject({ quantity: '3', cost: '9', peakQuantity: '10', fillCount: 5 })
    expect(cycles[0]?.lots).toEqual([
      { quantity: '3', cost: '9', originalQuantity: '4', originalCost: '12', openedAt: 4 },
    ])
  })

  test('lifo takes the newest lots, a partly used one before an older one', () => {
    // The 2 come from the second 4: 10 − 4. The 7 are 4 at 3, the 2 left at 2 and 1 at 1: 35 − 17.
    const { cycles, realisedByFill } = replay(INTERLEAVED, { method: 'lifo' })
    expect([realisedByFill.get('sell|3'), realisedByFill.get('sell|5')]).toEqual(['6', '18'])
    expect(cycles[0]?.lots).toEqual([
      { quantity: '3', cost: '3', originalQuantity: '4', originalCost: '4', openedAt: 1 },
    ])
  })

  test('a short gains when the price falls', () => {
    // Sold for 40 at 10, bought back 1 for 7: 10 − 7. The open cost of a short counts negative.
    const ledger = replay(['sell 4 @ 10', 'buy 1 @ 7'])
    expect(ledger).toMatchObject({ totalGross: '3', netCashFlow: '33', signedOpenCost: '-30' })
    expect(ledger.cycles[0]).toMatchObject({
      direction: 'short',
      status: 'open',
      quantity: '3',
      cost: '30',
      closedAt: null,
    })
  })

  test('the contract size scales value and cost', () => {
    const instrument = { ...LINEAR, contractSize: '0.01' }
    expect(replay(['buy 5 @ 100', 'sell 2 @ 110'], { instrument }).cycles[0]).toMatchObject({
      entryCost: '5',
      exitValue: '2.2',
      realisedGross: '0.2',
      cost: '3',
    })
  })

  test('closing all removes all the cost, however many decimals it has', () => {
    // 10^-18 · 3·10^-18 · 10^-8 has 44 decimals; the division that is not made would have left 0.
    const tiny = `0.${'0'.repeat(17)}`
    const instrument = { ...LINEAR, contractSize: '0.00000001' }
    const ledger = replay([`buy ${tiny}3 @ ${tiny}1`, `sell ${tiny}3 @ ${tiny}2`], { instrument })
    expect(ledger.cycles[0]).toMatchObject({
      status: 'closed',
      cost: '0',
      realisedGross: `0.${'0'.repeat(43)}3`,
    })
  })

  test('an inverse lot is used up in rounded shares, a tie away from zero', () => {
    // 3/7 to 40 decimals ends in …4286. A third of it is …1428|67, so …1429; half of the rest …2857 is …1428|5, so …1429;
    // the last share is what is left, …1428. Each contract is worth 1/8 at the exit.
    const { cycles, realisedByFill } = replay(['buy 3 @ 7', 'sell 1 @ 8', 'sell 1 @ 8', 'sell 1 @ 8'], {
      instrument: INVERSE,
      method: 'fifo',
    })
    expect(realisedByFill.get('sell|2')).toBe('0.0178571428571428571428571428571428571429')
    expect(realisedByFill.get('sell|3')).toBe('0.0178571428571428571428571428571428571429')
    expect(realisedByFill.get('sell|4')).toBe('0.0178571428571428571428571428571428571428')
    expect(cycles[0]).toMatchObject({
      entryCost: '0.4285714285714285714285714285714285714286',
      exitValue: '0.375',
      realisedGross: '0.0535714285714285714285714285714285714286',
    })
  })
})

describe('flips and hedged sides', () => {
  test('a fill larger than the position closes it, opens the rest and splits its fee', () => {
    // The fee of 0.1 is split 1 : 2, the first part rounded: 0.033…3 and 0.066…7.
    const { cycles } = replay(['buy 1 @ 100', ['sell 3 @ 110', { fee: '0.1' }]], { method: 'lifo' })
    expect(cycles).toHaveLength(2)
    expect(cycles[0]).toMatchObject({
      direction: 'long',
      status: 'closed',
      realisedGross: '10',
      fees: `0.0${'3'.repeat(39)}`,
    })
    expect(cycles[1]).toMatchObject({
      direction: 'short',
      quantity: '2',
      cost: '220',
      fees: `0.0${'6'.repeat(38)}7`,
    })
    expect(cycles.map(({ fillCount, openedAt, closedAt }) => [fillCount, openedAt, closedAt])).toEqual([
      [2, 1, 2],
      [1, 2, null],
    ])
    expect(cycles[1]?.lots).toEqual([
      { quantity: '2', cost: '220', originalQuantity: '2', originalCost: '220', openedAt: 2 },
    ])
  })

  test('the value of the closing part of an inverse flip is the whole less the opening part', () => {
    // 3/13 = …2308 (rounded up), 2/13 = …1538 (down): the closing contract is worth …0770, though 1/13 alone rounds to …0769.
    const { cycles } = replay(['buy 1 @ 10', 'sell 3 @ 13'], { instrument: INVERSE })
    expect(cycles[0]?.exitValue).toBe('0.076923076923076923076923076923076923077')
    expect(cycles[1]?.entryCost).toBe('0.1538461538461538461538461538461538461538')
  })

  test('an inverse long gains when the price rises, in coin', () => {
    // 100 · 10/5 = 200 BTC in, 100 · 10/8 = 125 BTC out.
    const ledger = replay(['buy 10 @ 5', 'sell 10 @ 8'], { instrument: { ...INVERSE, contractSize: '100' } })
    expect(ledger).toMatchObject({ totalGross: '75', netCashFlow: '75', signedOpenCost: '0' })
    expect(replay(['buy 1 @ 4'], { instrument: INVERSE })).toMatchObject({
      netCashFlow: '0.25',
      signedOpenCost: '-0.25',
    })
  })

  test('a hedged side opens nothing with what exceeds the position', () => {
    const hedged = { positionSide: 'long' } as const
    // The first sell finds nothing. The last closes 1 with its 3, and that bears its whole fee.
    const ledger = replay([
      ['sell 2 @ 9', hedged],
      ['buy 1 @ 10', hedged],
      ['sell 3 @ 12', { ...hedged, fee: '0.3' }],
    ])
    expect([...ledger.excessByFill]).toEqual([
      ['sell|1', '2'],
      ['buy|2', '0'],
      ['sell|3', '2'],
    ])
    expect(ledger).toMatchObject({ totalGross: '2', netCashFlow: '2', signedOpenCost: '0' })
    expect(ledger.cycles).toHaveLength(1)
    expect(ledger.cycles[0]).toMatchObject({
      direction: 'long',
      exitQuantity: '1',
      exitValue: '12',
      fees: '0.3',
      fillCount: 2,
    })
  })

  test('on the short side sells open and buys close', () => {
    const hedged = { positionSide: 'short' } as const
    const ledger = replay([
      ['sell 1 @ 10', hedged],
      ['buy 4 @ 7', hedged],
      ['sell 2 @ 8', hedged],
    ])
    expect(ledger.excessByFill.get('buy|2')).toBe('3')
    expect(
      ledger.cycles.map(({ direction, realisedGross, quantity }) => [direction, realisedGross, quantity]),
    ).toEqual([
      ['short', '3', '0'],
      ['short', '0', '2'],
    ])
  })

  test('a cycle is liquidated when the fill that closes it was a liquidation', () => {
    const liquidation = true
    const { cycles } = replay([
      'buy 2 @ 10',
      ['sell 1 @ 5', { liquidation }],
      'sell 1 @ 5',
      'buy 1 @ 10',
      ['sell 2 @ 4', { liquidation }],
    ])
    expect(cycles.map(({ status }) => status)).toEqual(['closed', 'liquidated', 'open'])
  })
})

describe('fees and funding', () => {
  test('a spot fee in coins changes the quantity, so that gross less fees is the real cash', () => {
    // Bought 0.999 at 100, fee 0.001 · 100. Cash: −100 + 109.89 − 0.11 = 9.78 = 9.99 − 0.21.
    const bought = replay(
      [
        ['buy 1 @ 100', { fee: '0.001', feeCurrency: 'BTC' }],
        ['sell 0.999 @ 110', { fee: '0.11' }],
      ],
      { instrument: SPOT },
    )
    expect(bought.cycles[0]).toMatchObject({
      status: 'closed',
      entryQuantity: '0.999',
      realisedGross: '9.99',
      fees: '0.21',
    })
    // Selling 1 costs 1.01 coins: 111.1 − 101 gross, fee 1.1, and 110 in cash.
    const sold = replay(['buy 2 @ 100', ['sell 1 @ 110', { fee: '0.01', feeCurrency: 'BTC' }]], {
      instrument: SPOT,
    })
    expect(sold.cycles[0]).toMatchObject({ quantity: '0.99', cost: '99', realisedGross: '10.1', fees: '1.1' })
  })

  test('a fee is worth itself, its price or what is said of it, and stays apart where nothing is said', () => {
    const charged = (
      fee: string,
      feeCurrency: string,
      feeInSettlement: string | null,
      instrument: ModelInstrument,
    ) => {
      const [cycle] = replay([['buy 1 @ 3', { fee, feeCurrency, feeInSettlement }]], { instrument }).cycles
      return [cycle?.fees, cycle?.unvaluedFees]
    }
    expect(charged('0.5', 'USD', null, LINEAR)).toEqual(['0.5', {}])
    expect(charged('0.5', 'BTC', null, LINEAR)).toEqual(['1.5', {}])
    expect(charged('-1', 'BTC', null, INVERSE)).toEqual(['-1', {}])
    expect(charged('1', 'USD', null, INVERSE)).toEqual([`0.${'3'.repeat(40)}`, {}])
    expect(charged('0.3', 'BNB', '90', LINEAR)).toEqual(['90', {}])
    expect(charged('0.3', 'BNB', null, LINEAR)).toEqual(['0', { BNB: '0.3' }])
    expect(charged('0', 'BNB', null, LINEAR)).toEqual(['0', {}])

    const bnb = { fee: '0.3', feeCurrency: 'BNB' }
    const flipped = replay([
      ['buy 1 @ 3', bnb],
      ['sell 3 @ 4', bnb],
    ]).cycles
    expect(flipped.map(({ fees, unvaluedFees }) => [fees, unvaluedFees])).toEqual([
      ['0', { BNB: '0.4' }],
      ['0', { BNB: '0.2' }],
    ])
  })

  test('a split fee is valued first', () => {
    // 1/7 BTC = …1429 (40 decimals); a third of it is …0476|33, so …0476, and the rest …0953.
    const { cycles } = replay(['buy 1 @ 7', ['sell 3 @ 7', { fee: '1' }]], { instrument: INVERSE })
    expect(cycles.map(({ fees }) => fees)).toEqual([
      '0.0476190476190476190476190476190476190476',
      '0.0952380952380952380952380952380952380953',
    ])
  })

  test('funding belongs to the position held before the fills of its millisecond', () => {
    // Opened at 1, closed at 2, opened again at 3.
    const funding: [number, string][] = [
      [1, '-1'],
      [2, '-10'],
      [3, '-100'],
      [4, '-1000.5'],
      [9, '2000'],
    ]
    const { cycles } = replay(['buy 1 @ 5', 'sell 1 @ 5', 'sell 1 @ 5'], { funding })
    expect(cycles.map((cycle) => cycle.funding)).toEqual(['-10', '999.5'])
  })
})

describe('order and repetition', () => {
  test('fills count by time, sequence, length of the id, its bytes, and buy before sell', () => {
    const ordered = [
      { exchangeTradeId: 'z', executedAt: 1, sequence: 9n },
      { exchangeTradeId: 'zz', executedAt: 2, sequence: 9n },
      { exchangeTradeId: '9', executedAt: 2, sequence: 10n },
      { exchangeTradeId: '10', executedAt: 2, sequence: 10n },
      { exchangeTradeId: 'B', executedAt: 3 },
      { exchangeTradeId: 'a', executedAt: 3 },
      { exchangeTradeId: 'aa', executedAt: 3 },
      // One character of two bytes, which come after those of two ASCII characters.
      { exchangeTradeId: 'é', executedAt: 3 },
      // Three bytes and then four, though both are two characters and the bytes of the second sort first.
      { exchangeTradeId: 'éa', executedAt: 3 },
      { exchangeTradeId: 'a～', executedAt: 3 },
      // Four bytes each; as UTF-16 the last would come first.
      { exchangeTradeId: '～a', executedAt: 3 },
      { exchangeTradeId: '😀', executedAt: 3, side: 'buy' as const },
      { exchangeTradeId: '😀', executedAt: 3, side: 'sell' as const },
    ]
    const fills = listed(ordered.map((rest) => ['sell 1 @ 1', rest]))
    expect([...fills].reverse().sort(compareInLedgerOrder)).toEqual(fills)
    expect([
      ...replayModel({
        fills: fills.toReversed(),
        funding: [],
        instrument: LINEAR,
        method: 'fifo',
      }).excessByFill.keys(),
    ]).toEqual(fills.map(fillKey))
  })

  test('a repeated fact counts once, both sides of a self-trade count, and differing reports are refused', () => {
    const [fill, ...rest] = listed(['buy 1 @ 5', ['sell 1 @ 6', { exchangeTradeId: '1' }]])
    if (fill === undefined) throw new Error('unreachable')
    const again = { ...fill, price: '5.0', feeInSettlement: null }
    const facts = { funding: [], instrument: LINEAR, method: 'average' } as const
    expect(replayModel({ ...facts, fills: [again, ...rest, fill, ...rest] }).totalGross).toBe('1')
    expect(() => replayModel({ ...facts, fills: [fill, { ...fill, price: '5.1' }] })).toThrow(
      'two reports of fill buy|1 differ',
    )
    const payments = [
      { id: 'f', at: 5, amount: '1' },
      { id: 'f', at: 5, amount: '1.0' },
    ]
    expect(replayModel({ ...facts, fills: [fill], funding: payments }).cycles[0]?.funding).toBe('1')
  })
})

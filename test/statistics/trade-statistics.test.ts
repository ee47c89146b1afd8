import { Decimal as ForeignDecimal } from 'decimal.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Decimal } from '../../src/db/decimal.ts'
import { type TradeResult, tradeStatistics } from '../../src/statistics/index.ts'
import { expectRefused } from './refused.ts'

const trades = (...nets: (string | null)[]): TradeResult[] => nets.map((netPnl) => ({ netPnl }))

/** Amounts as text, to compare what is exact. */
const asText = (found: object) =>
  Object.fromEntries(
    Object.entries(found).map(([name, value]) => [name, Decimal.isDecimal(value) ? value.toFixed() : value]),
  )

describe('tradeStatistics', () => {
  it('agrees with ten trades worked out on paper', () => {
    const found = tradeStatistics([
      { netPnl: '10.5', direction: 'long', holdingMs: 60_000 },
      { netPnl: '-4.25', direction: 'short', holdingMs: 1_000 },
      { netPnl: '0.00', direction: 'long' },
      { netPnl: '2', direction: 'long', holdingMs: 2_000 },
      { netPnl: new Decimal('1.5'), direction: 'short', holdingMs: 0 },
      { netPnl: null, direction: 'long', holdingMs: 7_000 },
      { netPnl: '3', direction: 'long' },
      { netPnl: '-0.75', direction: 'short' },
      { netPnl: '-2' },
      { netPnl: '-3', direction: 'short' },
    ])
    expect(asText(found)).toEqual({
      tradeCount: 10,
      winCount: 4,
      lossCount: 4,
      drawCount: 1,
      unvaluedTradeCount: 1,
      longCount: 5,
      shortCount: 4,
      smallSample: true,
      winRate: 4 / 9,
      winRateExDraws: 0.5,
      // 10.5 + 2 + 1.5 + 3, and 4.25 + 0.75 + 2 + 3.
      grossProfit: '17',
      grossLoss: '-10',
      netPnl: '7',
      profitFactor: 1.7,
      // 7/9 to 40 decimals; 17/4; −10/4; 4.25/2.5.
      expectancy: '0.7777777777777777777777777777777777777778',
      averageWin: '4.25',
      averageLoss: '-2.5',
      payoff: 1.7,
      // Squares: 110.25 + 18.0625 + 4 + 2.25 + 9 + 0.5625 + 4 + 9 = 157.125. About the mean 157.125 − 49/9 = 151.6805…, by 8
      // it is 18.9600…, whose root is 4.354316; 3 · 0.777777 / 4.354316 = 0.535867.
      sqn: expect.closeTo(0.535867, 6),
      best: '10.5',
      worst: '-4.25',
      currentStreak: -3,
      // 2 and 1.5; the draw before and the trade of unknown net behind them end it.
      longestWinStreak: 2,
      longestLossStreak: 3,
      // (60 + 1 + 2 + 0 + 7) / 5 seconds.
      averageHoldingMs: 14_000,
      shortestHoldingMs: 0,
      longestHoldingMs: 60_000,
    })
  })

  it('agrees with the eight trades of van Tharp', () => {
    const found = tradeStatistics(trades('678', '3456', '-567', '342', '1234', '888', '-1333', '-454'))
    expect(found.expectancy?.toFixed()).toBe('530.5')
    expect(found.profitFactor).toBe(6598 / 2354)
    // In multiples of the risk he has a mean of 0.36 deviations; of eight trades that is 0.3635 · √8 = 1.028.
    const multiples = trades('0.86', '4.40', '-0.72', '0.44', '1.57', '1.13', '-1.70', '-0.58')
    expect(((tradeStatistics(multiples).sqn ?? 0) / Math.sqrt(8)).toFixed(2)).toBe('0.36')
    expect(tradeStatistics(multiples).sqn).toBeCloseTo(1.028, 3)
  })

  it('counts 170 wins and 9 losses of 179 trades as such, and a draw as neither', () => {
    const wins = new Array<string>(170).fill('0.00001')
    const losses = new Array<string>(9).fill('-0.00002')
    expect(tradeStatistics(trades(...wins, ...losses))).toMatchObject({
      winCount: 170,
      drawCount: 0,
      lossCount: 9,
      winRate: 170 / 179,
      winRateExDraws: 170 / 179,
      longestWinStreak: 170,
      currentStreak: -9,
    })
    expect(tradeStatistics(trades('1', '0', '0', '-1'))).toMatchObject({ winRate: 0.25, winRateExDraws: 0.5 })
  })

  it('says nothing of no trades, and of trades of unknown net', () => {
    const nothing = {
      winCount: 0,
      lossCount: 0,
      drawCount: 0,
      longCount: 0,
      shortCount: 0,
      smallSample: true,
      winRate: null,
      winRateExDraws: null,
      grossProfit: '0',
      grossLoss: '0',
      netPnl: '0',
      profitFactor: null,
      expectancy: null,
      averageWin: null,
      averageLoss: null,
      payoff: null,
      sqn: null,
      best: null,
      worst: null,
      currentStreak: 0,
      longestWinStreak: 0,
      longestLossStreak: 0,
      averageHoldingMs: null,
      shortestHoldingMs: null,
      longestHoldingMs: null,
    }
    expect(asText(tradeStatistics([]))).toEqual({ ...nothing, tradeCount: 0, unvaluedTradeCount: 0 })
    const unvalued = tradeStatistics(trades(null, null))
    expect(asText(unvalued)).toEqual({ ...nothing, tradeCount: 2, unvaluedTradeCount: 2 })
  })

  it('is null where there is nothing to divide by', () => {
    expect(asText(tradeStatistics(trades('1', '2')))).toMatchObject({
      profitFactor: null,
      payoff: null,
      averageLoss: null,
      winRate: 1,
      grossLoss: '0',
    })
    expect(tradeStatistics(trades('-1', '-2'))).toMatchObject({
      profitFactor: 0,
      payoff: null,
      averageWin: null,
    })
    expect(tradeStatistics(trades('0', '0'))).toMatchObject({ winRate: 0, winRateExDraws: null, sqn: null })
    // One trade, and trades that are all the same, do not vary.
    expect(tradeStatistics(trades('1')).sqn).toBeNull()
    expect(tradeStatistics(trades('0.1', '0.10', '0.1')).sqn).toBeNull()
    // Mean −2, deviation √2: −2 · √2 / √2.
    expect(tradeStatistics(trades('-1', '-3')).sqn).toBe(-2)
    expect(tradeStatistics(trades('-1', '1')).sqn).toBe(0)
  })

  it('ends a streak with a draw, and with a trade of unknown net', () => {
    const streaks = (...nets: (string | null)[]) => {
      const found = tradeStatistics(trades(...nets))
      return [found.currentStreak, found.longestWinStreak, found.longestLossStreak]
    }
    expect(streaks('1', '1', '1')).toEqual([3, 3, 0])
    expect(streaks('1', '1', '0')).toEqual([0, 2, 0])
    expect(streaks('1', '1', null, '1')).toEqual([1, 2, 0])
    expect(streaks('-1', '-1', '0', '-1')).toEqual([-1, 0, 2])
    expect(streaks('-1', null)).toEqual([0, 0, 1])
    expect(streaks('1', '-1', '-1', '1')).toEqual([1, 1, 2])
  })

  it('warns of fewer than thirty trades of known net', () => {
    const thirty = new Array<string>(30).fill('1')
    expect(tradeStatistics(trades(...thirty)).smallSample).toBe(false)
    expect(tradeStatistics(trades(...thirty.slice(1), null)).smallSample).toBe(true)
  })

  it('loses no digit of the money', () => {
    const found = tradeStatistics(
      trades(
        '123456789012345678901234567890.000000000000000000000000000001',
        '-0.000000000000000000000000000002',
      ),
    )
    expect(found.netPnl.toFixed()).toBe('123456789012345678901234567889.999999999999999999999999999999')
    // A stored quotient has forty decimals, and the product of price, quantity and contract size up to ninety.
    const third = '0.3333333333333333333333333333333333333333'
    const small = `0.${'0'.repeat(89)}1`
    const exact = tradeStatistics([{ netPnl: third }, { netPnl: new Decimal(third) }, { netPnl: small }])
    expect(exact.netPnl.toFixed()).toBe(`0.6666666666666666666666666666666666666666${'0'.repeat(49)}1`)
    expect(exact.best?.toFixed()).toBe(third)
    expect(exact.netPnl.constructor).toBe(Decimal)
  })

  it('knows no negative nothing', () => {
    for (const nothing of ['-0', '-0.00', new Decimal('-0')]) {
      const { best, worst, grossLoss, lossCount } = tradeStatistics([{ netPnl: nothing }])
      expect(JSON.stringify([best, worst, grossLoss, lossCount])).toBe('["0","0","0",0]')
    }
  })

  it('takes the Decimal of another copy of that library for what it says', () => {
    const net = new ForeignDecimal('1.1')
    const found = tradeStatistics([{ netPnl: net }, { netPnl: net }])
    expect(found.netPnl.toFixed()).toBe('2.2')
    expect(found.best?.constructor).toBe(Decimal)
  })

  it('agrees with a model that counts in cents', () => {
    const cents = fc.option(fc.integer({ min: -500, max: 500 }), { freq: 8 })
    fc.assert(
      fc.property(fc.array(cents, { maxLength: 60 }), (given) => {
        const found = tradeStatistics(
          given.map((one) => ({ netPnl: one === null ? null : new Decimal(one).div(100).toFixed() })),
        )
        const known = given.filter((one) => one !== null)
        const total = known.reduce((a, b) => a + b, 0)
        const gained = known.reduce((a, b) => a + Math.max(b, 0), 0)
        expect(found.netPnl.times(100).toFixed()).toBe(String(total))
        expect(found.grossProfit.times(100).toFixed()).toBe(String(gained))
        expect(found.grossProfit.plus(found.grossLoss).eq(found.netPnl)).toBe(true)
        expect(found.winCount + found.lossCount + found.drawCount + found.unvaluedTradeCount).toBe(
          given.length,
        )
        const lost = gained - total
        expect(found.profitFactor).toBe(lost === 0 ? null : gained / lost)
        const average = total / known.length
        const variance = known.reduce((a, b) => a + (b - average) ** 2, 0) / (known.length - 1)
        if (variance > 1e-6) {
          expect(found.sqn).toBeCloseTo((Math.sqrt(known.length) * average) / Math.sqrt(variance), 9)
        } else expect(found.sqn).toBeNull()
        // Streaks as text: W, L and a space for what ends both.
        const letters = given.map((one) => (one ? (one > 0 ? 'W' : 'L') : ' ')).join('')
        const longest = (pattern: RegExp) =>
          Math.max(0, ...(letters.match(pattern) ?? []).map((run) => run.length))
        expect(found.longestWinStreak).toBe(longest(/W+/g))
        expect(found.longestLossStreak).toBe(longest(/L+/g))
        const last = letters.match(/(?:W+|L+)$/)?.[0] ?? ''
        expect(found.currentStreak).toBe(last.startsWith('L') ? -last.length : last.length)
      }),
    )
  })

  it('refuses what is no amount and no time', () => {
    for (const bad of [
      '',
      'NaN',
      '1e5',
      '0x1',
      'Infinity',
      ' 1',
      `1${'0'.repeat(100)}`,
      `0.${'0'.repeat(100)}1`,
    ]) {
      expectRefused(() => tradeStatistics(trades('1', bad)), 'trades[1].netPnl')
    }
    for (const bad of [
      1.5,
      undefined,
      new Decimal(Number.NaN),
      new Decimal(Infinity),
      new Decimal('1e100'),
      {},
    ]) {
      expectRefused(() => tradeStatistics([{ netPnl: bad as string }]), 'trades[0].netPnl')
    }
    for (const bad of [-1, Number.NaN, Infinity, '5' as unknown as number]) {
      expectRefused(() => tradeStatistics([{ netPnl: '1', holdingMs: bad }]), 'trades[0].holdingMs')
    }
  })
})

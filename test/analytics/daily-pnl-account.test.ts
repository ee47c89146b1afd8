import { beforeAll, expect, it } from 'vitest'
import { calculateDailyPnl, type DailyPnl, findStaleDailyPnl } from '../../src/analytics/daily-pnl.ts'
import type { Connection } from '../../src/db/database.ts'
import { Decimal } from '../../src/db/decimal.ts'
import { rebuildPositions } from '../../src/trading/index.ts'
import { describeDatabases } from '../database.ts'
import { at, makeAccount, recordLateTrade } from './daily-pnl-account-facts.ts'

/*
 * Ten days of an account in Berlin, which has 23 hours on the 31st. It begins with 1000 USD. A and C are linear contracts of 1, B one of 0.1.
 * All times are UTC: midnight is at 23:00 of the day before until the 31st, then at 22:00.
 *
 * 25th  08:00 +200 deposited. 10:00 buys 2 A at 100, fee 0.2; 11:00 sells 2 A at 95, fee 0.19.
 *       Gross 2 · −5 = −10, fees 0.39, net −10.39: a loss, held an hour. 1000, 1200, 1199.8, 1189.61.
 *       12:00 sells 1 C at 100 without a fee. C has no candle, so until the 28th it is worth what it was sold for: 0. Volume 200 + 190 + 100.
 * 26th  20:00 buys 10 B at 50 (cost 50), fee −0.01; 21:00 funding −0.05; 22:59:59.999, a millisecond before midnight, sells 4 B at 52,
 *       fee 0.02. Gross 4 · 0.1 · 2 = 0.8, fees 0.01, net 0.8 − 0.01 − 0.05 = 0.74. 1189.61, 1189.62, 1189.57, 1190.35. Volume 50 + 20.8.
 *       6 B are left; the candle that closes at midnight says 51.5: 6 · 0.1 · 1.5 = 0.9. Equity 1191.25.
 * 27th  At midnight (still the 26th in UTC) sells 2 B at 53, fee 0.01: gross 0.6, net 0.59: 1190.94. 12:00 −100 withdrawn, after the first
 *       fill: 1090.94. The candle of 20:00 says 54: 4 · 0.1 · 4 = 1.6, and the mark of 20:30 is none of the day once it is over. Equity 1092.54. Total 0.59 + 0.7 = 1.29. Volume 10.6.
 * 28th  12:00 +50 deposited: 1140.94. No fill. When the day ends, the candle of B is 27 hours old and the fill of C 83: both are still good.
 *       1.6 as the day before: equity 1142.54, total 0.
 * 29th  10:00 sells 4 B at 48, fee 0.03: gross 4 · 0.1 · −2 = −0.8, net −0.83: 1140.11. The trade had gross 0.8 + 0.6 − 0.8 = 0.6,
 *       fees −0.01 + 0.02 + 0.01 + 0.03 = 0.05, funding −0.05: a win of 0.5, held 62 hours = 223 200 000 ms. Volume 19.2.
 *       The fill of C is 107 hours old when the day ends, more than four days: equity is not known.
 * 30th  09:30 buys 1 C at 100 without a fee: a draw, held 117 and a half hours = 423 000 000 ms. 10:00 interest +0.25, 10:30 rebate +0.4, 11:00 fee −0.15,
 *       11:30 adjustment −0.1. Fees −0.25, net 0.25 + 0.25 − 0.1 = 0.4. 1140.11, 1140.36, 1140.76, 1140.61, 1140.51. Volume 100.
 *       The gap from the 28th: 1140.51 − 1142.54 = −2.03 on 1142.54.
 * 31st  A millisecond before it ends at 22:00 buys 3 A at 110, fee 0.33: 1140.18. The candle says 108: −6. Equity 1134.18. Volume 330.
 * 1st   22:00 buys 1 A at 106, fee 0.1: 1140.08. 02:00 funding +0.2: 1140.28. 03:00 liquidated: 4 A at 80, fee 1.6: 320 − 436 = −116: 1022.68.
 *       12:00 +500 deposited: 1522.68. Net −116 − 1.7 + 0.2 = −117.5, total −111.5. The trade: −116 − 2.03 + 0.2 = −117.83, held 5 hours
 *       and a millisecond. Volume 106 + 320.
 * 2nd   Nothing.
 * 3rd   Seen at 15:00. 08:00 sells 2 C at 90, fee 0.1: 1522.58; 09:00 buys 1 C at 70, fee 0.05: gross 20: 1542.53. B from 10:00 to 10:30 at
 *       50 and 58: 0.8: 1543.33; from 11:00 to 11:15 at 50 and 55: 0.5: 1543.83. Net 20 + 1.3 − 0.15 = 21.15. One C is still
 *       short, and was last traded at 70: 20. Equity 1563.83, total 41.15. Volume 180 + 70 + 5 + 5.8 + 5 + 5.5.
 *
 * Returns: −10.39/1200, 1.64/1189.61, 1.29/1191.25, 0/1142.54, none, −2.03/1142.54, −6.33/1140.51, −111.5/1134.18, 0, 41.15/1522.68.
 * Growth never comes back to 1, so the amount of the drawdown is all that was lost so far.
 */
type Column = Exclude<keyof DailyPnl, 'botId' | 'calculatedAt'>

const ZEROS = Array.from({ length: 10 }, () => 0)

const EXPECTED: Readonly<Record<Column, readonly (string | number | boolean | null | readonly string[])[]>> =
  {
    day: [
      ...['2024-03-25', '2024-03-26', '2024-03-27', '2024-03-28', '2024-03-29'],
      ...['2024-03-30', '2024-03-31', '2024-04-01', '2024-04-02', '2024-04-03'],
    ],
    startsAt: [
      ...['03-24 23', '03-25 23', '03-26 23', '03-27 23', '03-28 23'],
      ...['03-29 23', '03-30 23', '03-31 22', '04-01 22', '04-02 22'],
    ].map(hour),
    endsAt: [
      ...['03-25 23', '03-26 23', '03-27 23', '03-28 23', '03-29 23'],
      ...['03-30 23', '03-31 22', '04-01 22', '04-02 22', '04-03 22'],
    ].map(hour),
    isComplete: [true, true, true, true, true, true, true, true, true, false],
    baseCurrency: ZEROS.map(() => 'USD'),
    realisedGross: ['-10', '0.8', '0.6', '0', '-0.8', '0', '0', '-116', '0', '21.3'],
    fees: ['0.39', '0.01', '0.01', '0', '0.03', '-0.25', '0.33', '1.7', '0', '0.15'],
    funding: ['0', '-0.05', '0', '0', '0', '0', '0', '0.2', '0', '0'],
    interest: ['0', '0', '0', '0', '0', '0.25', '0', '0', '0', '0'],
    adjustments: ['0', '0', '0', '0', '0', '-0.1', '0', '0', '0', '0'],
    netPnl: ['-10.39', '0.74', '0.59', '0', '-0.83', '0.4', '-0.33', '-117.5', '0', '21.15'],
    unrealisedChange: ['0', '0.9', '0.7', '0', null, null, '-6', '6', '0', '20'],
    revaluation: ZEROS.map(String),
    totalPnl: ['-10.39', '1.64', '1.29', '0', null, null, '-6.33', '-111.5', '0', '41.15'],
    externalFlows: ['200', '0', '-100', '50', '0', '0', '0', '500', '0', '0'],
    flowsAtStart: ['200', '0', '0', '50', '0', '0', '0', '0', '0', '0'],
    balanceStart: [
      ...['1000', '1189.61', '1190.35', '1090.94', '1140.94'],
      ...['1140.11', '1140.51', '1140.18', '1522.68', '1522.68'],
    ],
    balanceEnd: [
      ...['1189.61', '1190.35', '1090.94', '1140.94', '1140.11'],
      ...['1140.51', '1140.18', '1522.68', '1522.68', '1543.83'],
    ],
    balancePeak: [
      ...['1200', '1190.35', '1190.94', '1140.94', '1140.94'],
      ...['1140.76', '1140.51', '1522.68', '1522.68', '1543.83'],
    ],
    balanceTrough: [
      ...['1000', '1189.57', '1090.94', '1090.94', '1140.11'],
      ...['1140.11', '1140.18', '1022.68', '1522.68', '1522.58'],
    ],
    unrealisedPnl: ['0', '0.9', '1.6', '1.6', null, '0', '-6', '0', '0', '20'],
    equityStart: [
      ...['1000', '1189.61', '1191.25', '1092.54', '1142.54'],
      ...[null, '1140.51', '1134.18', '1522.68', '1522.68'],
    ],
    equityEnd: [
      ...['1189.61', '1191.25', '1092.54', '1142.54', null],
      ...['1140.51', '1134.18', '1522.68', '1522.68', '1563.83'],
    ],
    unvalued: [[], [], [], [], ['C'], [], [], [], [], []],
    fillCount: [3, 2, 1, 0, 1, 1, 1, 2, 0, 6],
    volume: ['490', '70.8', '10.6', '0', '19.2', '100', '330', '426', '0', '271.3'],
    tradeCount: [1, 0, 0, 0, 1, 1, 0, 1, 0, 2],
    winCount: [0, 0, 0, 0, 1, 0, 0, 0, 0, 2],
    lossCount: [1, 0, 0, 0, 0, 0, 0, 1, 0, 0],
    drawCount: [0, 0, 0, 0, 0, 1, 0, 0, 0, 0],
    unvaluedTradeCount: ZEROS,
    longCount: [1, 0, 0, 0, 1, 0, 0, 1, 0, 2],
    shortCount: [0, 0, 0, 0, 0, 1, 0, 0, 0, 0],
    liquidationCount: [0, 0, 0, 0, 0, 0, 0, 1, 0, 0],
    winRate: [0, null, null, null, 1, 0, null, 0, null, 1],
    grossProfit: ['0', '0', '0', '0', '0.5', '0', '0', '0', '0', '1.3'],
    grossLoss: ['-10.39', '0', '0', '0', '0', '0', '0', '-117.83', '0', '0'],
    averageWin: [null, null, null, null, '0.5', null, null, null, null, '0.65'],
    averageLoss: ['-10.39', null, null, null, null, null, null, '-117.83', null, null],
    profitFactor: [0, null, null, null, null, null, null, 0, null, null],
    bestTrade: ['-10.39', null, null, null, '0.5', '0', null, '-117.83', null, '0.8'],
    worstTrade: ['-10.39', null, null, null, '0.5', '0', null, '-117.83', null, '0.5'],
    averageHoldingMs: [
      3_600_000,
      null,
      null,
      null,
      223_200_000,
      423_000_000,
      null,
      18_000_001,
      null,
      1_350_000,
    ],
    shortestHoldingMs: [
      3_600_000,
      null,
      null,
      null,
      223_200_000,
      423_000_000,
      null,
      18_000_001,
      null,
      900_000,
    ],
    longestHoldingMs: [
      3_600_000,
      null,
      null,
      null,
      223_200_000,
      423_000_000,
      null,
      18_000_001,
      null,
      1_800_000,
    ],
    currentStreak: [-1, -1, -1, -1, 1, 0, 0, -1, -1, 2],
    longestWinStreak: [0, 0, 0, 0, 1, 1, 1, 1, 1, 2],
    longestLossStreak: [1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
    // One of the bot's own on the 28th, and one of the fleet on the 2nd.
    breakerCount: [0, 0, 0, 1, 0, 0, 0, 0, 1, 0],
    killSwitchCount: ZEROS,
    returnFraction: [
      ...[-10.39 / 1200, 1.64 / 1189.61, 1.29 / 1191.25, 0, null],
      ...[-2.03 / 1142.54, -6.33 / 1140.51, -111.5 / 1134.18, 0, 41.15 / 1522.68],
    ],
    // Calculated from the returns to 60 digits.
    growth: [
      ...[0.9913416666666667, 0.9927083333333333, 0.9937833333333334, 0.9937833333333334, 0.9937833333333334],
      ...[0.9920176357064086, 0.9865117903968351, 0.8895288911839703, 0.8895288911839703, 0.91356816002064],
    ],
    drawdownFraction: [
      ...[0.008658333333333334, 0.007291666666666667, 0.006216666666666666, 0.006216666666666666],
      ...[0.006216666666666666, 0.007982364293591471, 0.013488209603164878, 0.11047110881602978],
      ...[0.11047110881602978, 0.08643183997935998],
    ],
    maxDrawdownFraction: [
      ...Array.from({ length: 6 }, () => 0.008658333333333334),
      ...[0.013488209603164878, 0.11047110881602978, 0.11047110881602978, 0.11047110881602978],
    ],
    drawdownAmount: ['10.39', '8.75', '7.46', '7.46', '7.46', '9.49', '15.82', '127.32', '127.32', '86.17'],
    returnCount: [1, 2, 3, 4, 4, 5, 6, 7, 8, 9],
    sharpe: [
      ...[null, -9.79818306862187, -6.90961875758264, -6.1967319102436, -6.1967319102436],
      ...[
        -7.363325894197709, -10.66465916714322, -8.364102417453084, -7.796766204060285, -5.1680219579932745,
      ],
    ],
    sortino: [
      ...[-19.1049731745428, -11.358276074333268, -7.894440865669171, -6.836786338343518, -6.836786338343518],
      ...[-7.707679412005772, -10.106435156019161, -8.16844464892745, -7.640880314778366, -5.463047389649279],
    ],
    // (growth^(365 / days so far) − 1) / deepest drawdown.
    calmar: [
      ...[
        -110.66405552763557, -85.12040672635291, -61.413144613993545, -50.11729115373895, -42.23675904445942,
      ],
      ...[
        -44.565863379520366, -37.61958428234979, -9.008771562962673, -8.973633368076449, -8.718102309220944,
      ],
    ],
  }

const NOW = at('04-03 15:00')
const RANGE = { from: '2024-03-25', to: '2024-04-03' }

/** The first moment of an hour of 2024, as text. */
function hour(text: string): string {
  return at(`${text}:00`).toISOString()
}

describeDatabases('an account of ten days', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
  })

  const calculate = (botId: string) => calculateDailyPnl(db, { botId, ...RANGE, now: NOW })

  it('has every figure of every day as it was worked out by hand', async () => {
    const account = await makeAccount(db, 'by-hand')
    expectDays(await calculate(account.botId))
  })

  it('has the same figures after its positions were derived again', async () => {
    const { botId } = await makeAccount(db, 'rebuilt')
    expect(await rebuildPositions(db, { botId })).toMatchObject({ differences: [] })
    expectDays(await calculate(botId))
  })

  it('has the same figures when its facts came in the opposite order', async () => {
    const account = await makeAccount(db, 'reversed', { isReversed: true })
    expectDays(await calculate(account.botId))
  })

  it('is not written again where nothing changed', async () => {
    const { botId } = await makeAccount(db, 'repeated')
    const first = await calculate(botId)
    expect(await calculate(botId)).toEqual(first)
    expect(await findStaleDailyPnl(db, { botId, now: NOW })).toEqual([])
  })

  it('says which days a late fill has changed, and has then the figures of facts that came in time', async () => {
    const late = await makeAccount(db, 'late')
    const before = await calculate(late.botId)
    await recordLateTrade(db, late)
    const stale = await findStaleDailyPnl(db, { botId: late.botId, now: NOW })
    expect(stale.map(({ day }) => day)).toEqual(EXPECTED.day.slice(3, 9))
    const after = await calculate(late.botId)
    expect(after.slice(0, 3)).toEqual(before.slice(0, 3))

    const inTime = await makeAccount(db, 'in-time')
    await recordLateTrade(db, inTime)
    expect(after.map(figures)).toEqual((await calculate(inTime.botId)).map(figures))
    // The deposit at noon is no longer before the first fill.
    expect([before[3]?.flowsAtStart, after[3]?.flowsAtStart].map(String)).toEqual(['50', '0'])
    expect([after[3]?.netPnl, after[9]?.balanceEnd].map(String)).toEqual(['3', '1546.83'])
    expect(await findStaleDailyPnl(db, { botId: late.botId, now: NOW })).toEqual([])
  })
})

function figures({ calculatedAt: _, botId: __, ...row }: DailyPnl) {
  return row
}

function expectDays(rows: readonly DailyPnl[]): void {
  expect(rows).toHaveLength(10)
  const columns = Object.keys(EXPECTED) as Column[]
  expect(Object.keys(rows[0] ?? {}).sort()).toEqual([...columns, 'botId', 'calculatedAt'].sort())
  for (const column of columns) {
    const found = rows.map((row) => plain(row[column]))
    expect([column, ...found]).toEqual([column, ...EXPECTED[column].map(near)])
  }
}

/** Ratios as near as 1e-12 of their size; everything else as it is. */
function near(value: unknown): unknown {
  if (typeof value !== 'number' || Number.isInteger(value)) return value
  return {
    asymmetricMatch: (found: unknown) =>
      Math.abs(Number(found) - value) <= 1e-12 * Math.max(1, Math.abs(value)),
    toString: () => `near ${value}`,
  }
}

function plain(value: unknown): unknown {
  if (Decimal.isDecimal(value)) return value.toFixed()
  return value instanceof Date ? value.toISOString() : value
}

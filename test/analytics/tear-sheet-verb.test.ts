import { beforeAll, expect, it } from 'vitest'
import { calculateDailyPnl } from '../../src/analytics/daily-pnl.ts'
import { getDrawdowns } from '../../src/analytics/equity-curve.ts'
import { getPerformance } from '../../src/analytics/performance.ts'
import { readTearSheetData } from '../../src/analytics/tear-sheet/read-data.ts'
import { renderTearSheet } from '../../src/analytics/tear-sheet.ts'
import type { Connection } from '../../src/db/database.ts'
import { transaction } from '../../src/db/transaction.ts'
import { recordFill } from '../../src/trading/index.ts'
import { describeDatabases } from '../database.ts'
import { makeBot, storeDays, storeTrades } from './tear-sheet-ledger.ts'

const now = new Date('2024-06-01T12:00:00Z')

describeDatabases('renderTearSheet', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    await makeBot(db, 'grid', { name: 'Grid <b>one</b>' })
    await storeDays(db, 'grid', '2024-01-01', 40)
    await storeTrades(db, 'grid', 'BTC', '2024-01-01', ['5', '-3', '0', '7.25'])
    await storeTrades(db, 'grid', 'ETH', '2024-01-10', ['-1'])
    await makeBot(db, 'idle')
    await makeBot(db, 'paper', { mode: 'paper' })
    await storeTrades(db, 'paper', 'BTC', '2024-01-01', ['1000'])
  })

  /** A round trip of two seconds at the end of this minute. */
  const trade = async (at: string, botId: string) => {
    const fill = { botId, exchange: 'x', symbol: 'BTC', quantity: '1', price: '100' } as const
    const [entry, exit] = [new Date(`${at}:58Z`), new Date(`${at}:59Z`)]
    await recordFill(db, { ...fill, side: 'buy', executedAt: entry, exchangeTradeId: `in ${at}` })
    await recordFill(db, { ...fill, side: 'sell', executedAt: exit, exchangeTradeId: `out ${at}` })
  }

  it('shows a bot with its days and trades, under its name', async () => {
    const page = await renderTearSheet(db, { botId: 'grid', now })
    expect(page).toMatch(/^<!doctype html>\n<html lang="en">/)
    expect(page).toContain('<h1><bdi>Grid &lt;b&gt;one&lt;/b&gt;</bdi></h1>')
    expect(page).toContain('2024-01-01 to 2024-02-09 · in USD')
    expect(page).toContain('Made 2024-06-01 12:00 UTC.')
    for (const id of ['return', 'drawdown', 'equity', 'sharpe', 'trades']) {
      expect(page, id).toContain(`<canvas id="${id}" role="img"`)
    }
    expect(page).toContain('Grid &lt;b&gt;one&lt;/b&gt; – tear sheet</title>')
    expect(await renderTearSheet(db, { botId: 'grid', title: 'January', now })).toContain(
      '<bdi>January</bdi>',
    )
  })

  it('is of what the verbs return', async () => {
    const data = await readTearSheetData(db, { botId: 'grid', now })
    expect(data.performance).toEqual(await getPerformance(db, { botId: 'grid', by: 'symbol', now }))
    expect(data.drawdowns).toEqual(await getDrawdowns(db, { botId: 'grid', limit: 10 }))
    expect(data.points).toHaveLength(40)
    expect([...data.nets].sort((a, b) => a - b)).toEqual([-3, -1, 0, 5, 7.25])
    expect(data.performance.netPnl.toFixed()).toBe('8.25')
  })

  it('is of whole days of the bot, the last of them included', async () => {
    const span = { from: '2024-01-02', to: '2024-01-10' }
    const { performance, points, nets } = await readTearSheetData(db, { botId: 'grid', ...span, now })
    expect(points.map(({ day }) => day)).toEqual([
      '2024-01-02',
      '2024-01-03',
      '2024-01-04',
      '2024-01-05',
      '2024-01-06',
      '2024-01-07',
      '2024-01-08',
      '2024-01-09',
      '2024-01-10',
    ])
    // Of the 2nd, the 3rd, the 4th and the 10th.
    expect(performance.tradeCount).toBe(4)
    expect(nets).toHaveLength(4)
    expect(performance.returns).toMatchObject({
      firstDay: '2024-01-02',
      lastDay: '2024-01-10',
      returnCount: 9,
    })
    // In a zone ten hours ahead the day begins at 14:00 of the day before.
    await makeBot(db, 'sydney', { timeZone: 'Australia/Brisbane' })
    for (const at of ['2024-01-01T13:59', '2024-01-01T14:00', '2024-01-02T13:59', '2024-01-02T14:00'])
      await trade(at, 'sydney')
    const day = { botId: 'sydney', from: '2024-01-02', to: '2024-01-02', now }
    expect((await readTearSheetData(db, day)).nets).toHaveLength(2)
    expect((await readTearSheetData(db, { ...day, from: undefined })).nets).toHaveLength(3)
    expect((await readTearSheetData(db, { ...day, to: undefined })).nets).toHaveLength(3)
  })

  it('is of the day of each bot of a fleet, from the first beginning to the last end', async () => {
    await makeBot(db, 'east', { mode: 'backtest', timeZone: 'Australia/Brisbane' })
    await makeBot(db, 'west', { mode: 'backtest', timeZone: 'Pacific/Honolulu' })
    // The 2nd begins on the 1st at 14:00 in the east, and ends on the 3rd at 10:00 in the west.
    for (const at of ['2024-01-01T13:59', '2024-01-01T14:00']) await trade(at, 'east')
    for (const at of ['2024-01-03T09:59', '2024-01-03T10:00']) await trade(at, 'west')
    const fleet = { fleet: { mode: 'backtest' as const }, from: '2024-01-02', to: '2024-01-02', now }
    const { nets, performance } = await readTearSheetData(db, fleet)
    expect([nets.length, performance.tradeCount]).toEqual([2, 2])
  })

  it('is of a fleet, paper money apart', async () => {
    const { title, facts, performance } = await readTearSheetData(db, { fleet: {}, now })
    expect(title).toBe('Fleet of live bots in USD')
    expect(facts[0]).toEqual({ name: 'Mode', value: 'live' })
    expect(performance.best?.toFixed()).toBe('7.25')
    const page = await renderTearSheet(db, { fleet: { mode: 'paper', baseCurrency: 'USD' }, now })
    expect(page).toContain('<bdi>Fleet of paper bots in USD</bdi>')
    expect(page).toContain('+1\u202f000.00')
  })

  it('shows the days that were calculated', async () => {
    await makeBot(db, 'whole')
    await storeTrades(db, 'whole', 'BTC', '2024-01-01', ['50', '-30', '0'])
    await calculateDailyPnl(db, { botId: 'whole', from: '2024-01-01', to: '2024-01-04', now })
    const { points, performance } = await readTearSheetData(db, { botId: 'whole', from: '2024-01-01', now })
    expect(points.map(({ equity }) => equity?.toFixed())).toEqual(['10050', '10020', '10020', '10020'])
    // 10,020 / 10,000 − 1.
    expect(performance.returns.totalReturn).toBeCloseTo(0.002, 12)
    const page = await renderTearSheet(db, { botId: 'whole', from: '2024-01-01', now })
    expect(page).toContain('<tr><th scope=row>2024-01-02<td>10\u202f020.00<td>\u221230.00<td>0.00')
  })

  it('says that there is nothing of a bot without days and trades', async () => {
    const page = await renderTearSheet(db, { botId: 'idle', now })
    expect(page).toContain('No days are stored for this period: calculate the daily PnL first.')
    expect(page).toContain('No trade was closed in this period.')
    expect(page).not.toContain('<canvas')
  })

  it('sees what the transaction sees that it is called in', async () => {
    const page = await transaction(db, async (tx) => {
      await makeBot(tx, 'young', { name: 'Made a moment ago' })
      return await renderTearSheet(tx, { botId: 'young', now })
    })
    expect(page).toContain('<bdi>Made a moment ago</bdi>')
  })

  it('refuses what it cannot show, naming the field', async () => {
    const render = (input: object) => renderTearSheet(db, { botId: 'grid', ...input })
    await expect(render({ botId: 'nobody' })).rejects.toMatchObject({ code: 'not_found' })
    await expect(render({ from: '2024-02-30' })).rejects.toMatchObject({
      code: 'invalid_input',
      field: 'from',
    })
    await expect(render({ from: '2024-02-02', to: '2024-02-01' })).rejects.toMatchObject({ field: 'to' })
    await expect(render({ title: ' ' })).rejects.toMatchObject({ field: 'title' })
    await expect(render({ now: new Date(Number.NaN) })).rejects.toMatchObject({ field: 'now' })
    await expect(renderTearSheet(db, { fleet: { baseCurrency: 'EUR' } })).rejects.toMatchObject({
      code: 'not_found',
    })
    await makeBot(db, 'euro', { mode: 'paper', baseCurrency: 'EUR' })
    await expect(renderTearSheet(db, { fleet: { mode: 'paper' } })).rejects.toMatchObject({
      code: 'invalid_input',
      field: 'fleet.baseCurrency',
    })
  })
})

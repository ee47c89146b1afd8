import { createReadStream, createWriteStream, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { parse } from 'csv-parse'
import { parse as parseNow } from 'csv-parse/sync'
import { sql } from 'drizzle-orm'
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { exportDailyPnl, exportFills, exportTaxLots, exportTrades } from '../../src/analytics/export.ts'
import type { Connection } from '../../src/db/database.ts'
import { Decimal } from '../../src/db/decimal.ts'
import { listTrades, recordCashFlow, recordFills } from '../../src/trading/index.ts'
import { describeDatabases } from '../database.ts'
import { EXCHANGE, fillOf, makeBot, makeInstrument, minute, query } from '../trading/ledger-fixture.ts'
import { emptyDay, storeRows } from './empty-day.ts'

const EXPORTS = { exportTrades, exportFills, exportDailyPnl, exportTaxLots }

async function textOf(pieces: AsyncIterable<string>): Promise<string> {
  let text = ''
  for await (const piece of pieces) text += piece
  return text
}

const rowsOf = (csv: string) => parseNow<Record<string, string>>(csv, { columns: true })
const readCsv = async (pieces: AsyncIterable<string>) => rowsOf(await textOf(pieces))

describeDatabases('exports', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    await makeInstrument(db, 'BTC')
  })

  async function columnsOf(table: string): Promise<unknown[]> {
    const [schema, name] = table.split('.')
    const rows = await query(
      db,
      sql`select column_name from information_schema.columns
        where table_schema = ${schema} and table_name = ${name} order by column_name`,
    )
    return rows.map((row) => row.column_name)
  }

  describe('exportTrades', () => {
    it('writes each trade, first closed first, in the columns of the view', async () => {
      const botId = 'trades'
      await makeBot(db, botId)
      // 2 bought at 100 are 200; sold at 110: 20 less fees of 1.5 and funding of 0.5 paid is 18, 9 % of 200.
      await recordFills(db, [
        fillOf(botId, 'BTC', 'buy 2 @ 100', 0, { fee: '1', feeCurrency: 'USD' }),
        fillOf(botId, 'BTC', 'sell 2 @ 110', 2, { fee: '0.5', feeCurrency: 'USD' }),
        // Short 1 at 50, covered at 51.25: a loss of 1.25, with a fee of unknown value.
        fillOf(botId, 'BTC', 'sell 1 @ 50', 3, { fee: '0.01', feeCurrency: 'BNB' }),
        fillOf(botId, 'BTC', 'buy 1 @ 51.25', 4),
        // Still open: no trade.
        fillOf(botId, 'BTC', 'buy 1 @ 51.25', 5),
      ])
      await recordCashFlow(db, {
        botId,
        exchange: EXCHANGE,
        symbol: 'BTC',
        kind: 'funding',
        currency: 'USD',
        amount: '-0.5',
        occurredAt: minute(1),
      })
      const csv = await textOf(exportTrades(db, { botId, format: 'csv' }))
      const [first, second, ...others] = rowsOf(csv)
      expect(others).toEqual([])
      expect(first).toMatchObject({
        bot_id: botId,
        symbol: 'BTC',
        direction: 'long',
        quantity: '2',
        entry_cost: '200',
        entry_price: '100',
        exit_price: '110',
        gross: '20',
        fees: '1.5',
        funding: '-0.5',
        net_pnl: '18',
        return_fraction: '0.09',
        unvalued_fees: '{}',
        exit_reason: '',
        is_liquidation: 'false',
        opened_at: '2024-01-15T12:00:00.000Z',
        closed_at: '2024-01-15T12:02:00.000Z',
        holding_ms: '120000',
      })
      expect(second).toMatchObject({
        direction: 'short',
        gross: '-1.25',
        net_pnl: '',
        unvalued_fees: '{"BNB":"0.01"}',
      })
      expect(csv.split('\r\n')[0]?.split(',').sort()).toEqual(await columnsOf('trading.trades'))

      const objects = JSON.parse(await textOf(exportTrades(db, { botId, format: 'json' })))
      expect(objects).toHaveLength(2)
      expect(objects[0]).toMatchObject({
        gross: '20',
        funding: '-0.5',
        exit_reason: null,
        holding_ms: 120_000,
      })
      expect(objects[1]).toMatchObject({ gross: '-1.25', net_pnl: null, unvalued_fees: { BNB: '0.01' } })
      const [last] = await listTrades(db, { botId })
      expect(objects[1].position_id).toBe(last?.positionId)
      expect(Object.keys(objects[1]).sort()).toEqual(await columnsOf('trading.trades'))
    })

    it('takes what closed at `from` and leaves out what closed at `to`', async () => {
      const botId = 'trades-range'
      await makeBot(db, botId)
      await recordFills(
        db,
        [1, 2, 3].flatMap((at) => [
          fillOf(botId, 'BTC', `buy ${at} @ 1`, at - 1),
          fillOf(botId, 'BTC', `sell ${at} @ 1`, at),
        ]),
      )
      const quantities = async (from?: Date, to?: Date) =>
        (await readCsv(exportTrades(db, { botId, format: 'csv', from, to }))).map((row) => row.quantity)
      expect(await quantities()).toEqual(['1', '2', '3'])
      expect(await quantities(minute(2))).toEqual(['2', '3'])
      expect(await quantities(undefined, minute(2))).toEqual(['1'])
      expect(await quantities(minute(2), minute(3))).toEqual(['2'])
    })
  })

  describe('exportFills', () => {
    it('writes each fill, first executed first, in the columns of the table', async () => {
      const botId = 'fills'
      await makeBot(db, botId)
      await recordFills(db, [
        fillOf(botId, 'BTC', 'sell 0.5 @ 100.000000000000000001', 2, {
          fee: '-0.000000000000000001',
          feeCurrency: 'USD',
          sequence: 2n ** 60n + 1n,
          exchangeTradeId: '=1+1',
          liquidity: 'maker',
        }),
        fillOf(botId, 'BTC', 'buy 1 @ 99', 1, { exchangeTradeId: 'a,"b"' }),
      ])
      const csv = await textOf(exportFills(db, { botId, format: 'csv' }))
      const [first, second, ...others] = rowsOf(csv)
      expect(others).toEqual([])
      expect(first).toMatchObject({ side: 'buy', exchange_trade_id: 'a,"b"', liquidity: '', sequence: '0' })
      // 0.5 · (100.000000000000000001 − 99) = 0.5000000000000000005
      expect(second).toMatchObject({
        exchange_trade_id: "'=1+1",
        price: '100.000000000000000001',
        fee: '-0.000000000000000001',
        sequence: '1152921504606846977',
        realised_gross: '0.5000000000000000005',
        executed_at: '2024-01-15T12:02:00.000Z',
      })
      expect(csv.split('\r\n')[0]?.split(',').sort()).toEqual(await columnsOf('trading.fills'))
      const objects = JSON.parse(await textOf(exportFills(db, { botId, format: 'json' })))
      expect(objects[1]).toMatchObject({
        exchange_trade_id: '=1+1',
        price: '100.000000000000000001',
        fee: '-0.000000000000000001',
        sequence: '1152921504606846977',
        order_id: null,
      })
    })

    it('takes what was executed at `from` and leaves out what was executed at `to`, and other bots', async () => {
      for (const botId of ['fills-range', 'fills-other']) {
        await makeBot(db, botId)
        await recordFills(
          db,
          [1, 2, 3].map((at) => fillOf(botId, 'BTC', `buy ${at} @ 1`, at)),
        )
      }
      const input = { botId: 'fills-range', format: 'csv', from: minute(2), to: minute(3) } as const
      const rows = await readCsv(exportFills(db, input))
      expect(rows.map((row) => [row.bot_id, row.quantity])).toEqual([['fills-range', '2']])
    })
  })

  describe('exportDailyPnl', () => {
    it('writes each day, oldest first, in the columns of the table, from the first to the last', async () => {
      const botId = 'days'
      await makeBot(db, botId)
      const days = [
        emptyDay(botId, '2024-02-29', {
          netPnl: new Decimal('-12.5'),
          sharpe: -0.25,
          unvalued: ['BNB', 'x'],
        }),
        emptyDay(botId, '2024-03-01', { currentStreak: -3, isComplete: false }),
        emptyDay(botId, '2024-02-28'),
      ]
      await storeRows(db, days)
      const csv = await textOf(exportDailyPnl(db, { botId, format: 'csv' }))
      const rows = rowsOf(csv)
      expect(rows.map((row) => row.day)).toEqual(['2024-02-28', '2024-02-29', '2024-03-01'])
      expect(rows[1]).toMatchObject({ net_pnl: '-12.5', sharpe: '-0.25', unvalued: '["BNB","x"]' })
      expect(rows[2]).toMatchObject({ net_pnl: '', current_streak: '-3', is_complete: 'false' })
      expect(csv.split('\r\n')[0]?.split(',').sort()).toEqual(await columnsOf('analytics.daily_pnl'))
      const range = { botId, format: 'json', from: '2024-02-29', to: '2024-02-29' } as const
      expect(JSON.parse(await textOf(exportDailyPnl(db, range)))).toMatchObject([
        { day: '2024-02-29', net_pnl: '-12.5', sharpe: -0.25, unvalued: ['BNB', 'x'], calmar: null },
      ])
    })

    it('goes on after a page of days', async () => {
      const botId = 'days-pages'
      await makeBot(db, botId)
      const days = Array.from({ length: 1_100 }, (_, i) =>
        emptyDay(botId, new Date(Date.UTC(2020, 0, 1 + i)).toISOString().slice(0, 10)),
      )
      for (const part of [days.slice(600), days.slice(0, 600)]) {
        await storeRows(db, part)
      }
      const rows = await readCsv(exportDailyPnl(db, { botId, format: 'csv' }))
      expect(rows.map((row) => row.day)).toEqual(days.map(({ day }) => day))
    })

    it.each([
      ['2024-02-30', undefined, "from '2024-02-30' is not a date as 2024-01-31"],
      ['2024-02-03', '2024-02-02', 'to 2024-02-02 is before from 2024-02-03'],
    ])('refuses the days %s to %s', (from, to, message) => {
      expect(() => exportDailyPnl(db, { botId: 'days', format: 'csv', from, to })).toThrow(message)
    })
  })

  describe.each(Object.entries(EXPORTS))('%s', (name, verb) => {
    it('writes only the header for a bot that has nothing, and an empty array', async () => {
      await makeBot(db, `empty-${name}`)
      const csv = await textOf(verb(db, { botId: `empty-${name}`, format: 'csv' }))
      expect(csv).toMatch(/^bot_id,[a-z_,]+\r\n$/)
      expect(JSON.parse(await textOf(verb(db, { botId: `empty-${name}`, format: 'json' })))).toEqual([])
    })

    it('gives an error and no text for an unknown bot', async () => {
      const pieces = verb(db, { botId: 'nobody', format: 'csv' })[Symbol.asyncIterator]()
      await expect(pieces.next()).rejects.toMatchObject({
        code: 'not_found',
        message: "bot 'nobody' not found",
      })
    })

    it('refuses a wrong input when it is called', () => {
      // @ts-expect-error: not a format
      expect(() => verb(db, { botId: 'a', format: 'xlsx' })).toThrow("format 'xlsx' is not one of csv, json")
      expect(() => verb(db, { botId: 'a b', format: 'csv' })).toThrow("botId 'a b' is not")
      // @ts-expect-error: neither a time nor a day
      expect(() => verb(db, { botId: 'a', format: 'csv', from: 5 })).toThrow('from')
    })
  })

  it.each([exportTrades, exportFills, exportTaxLots])('refuses a span that is none: %o', (verb) => {
    const span = { from: minute(1), to: minute(1) }
    expect(() => verb(db, { botId: 'a', format: 'csv', ...span })).toThrow(
      'to 2024-01-15T12:01:00.000Z is not after from 2024-01-15T12:01:00.000Z',
    )
    const never = new Date(Number.NaN)
    expect(() => verb(db, { botId: 'a', format: 'csv', to: never })).toThrow('to is an invalid Date')
  })

  it('goes through a pipeline into a file, and can be written again', async () => {
    const botId = 'file'
    await makeBot(db, botId)
    await recordFills(
      db,
      Array.from({ length: 1_200 }, (_, i) => fillOf(botId, 'BTC', 'buy 1 @ 1', i)),
    )
    const folder = mkdtempSync(join(tmpdir(), 'tradeblotter-export-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const fills = exportFills(db, { botId, format: 'csv' })
    const [file, again] = [join(folder, 'fills.csv'), join(folder, 'again.csv')]
    await pipeline(Readable.from(fills), createWriteStream(file))
    let rows = 0
    for await (const _ of createReadStream(file).pipe(parse({ columns: true }))) rows += 1
    expect(rows).toBe(1_200)
    await pipeline(Readable.from(fills), createWriteStream(again))
    expect(readFileSync(again)).toEqual(readFileSync(file))
    const refused = join(folder, 'refused.csv')
    await expect(async () =>
      pipeline(Readable.from(exportFills(db, { botId: '', format: 'csv' })), createWriteStream(refused)),
    ).rejects.toMatchObject({ code: 'invalid_input', field: 'botId' })
    expect(existsSync(refused)).toBe(false)
  })
})

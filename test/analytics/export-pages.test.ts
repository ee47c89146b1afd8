import { parse } from 'csv-parse/sync'
import { sql } from 'drizzle-orm'
import { beforeAll, expect, it } from 'vitest'
import { exportFills, exportTrades } from '../../src/analytics/export.ts'
import type { Connection } from '../../src/db/database.ts'
import { transaction } from '../../src/db/transaction.ts'
import { recordFill, recordFills } from '../../src/trading/index.ts'
import { describeDatabases } from '../database.ts'
import { planOf } from '../market/plan.ts'
import { fillOf, makeBot, makeInstrument, query } from '../trading/ledger-fixture.ts'

async function textOf(pieces: AsyncIterable<string>): Promise<string> {
  let text = ''
  for await (const piece of pieces) text += piece
  return text
}

const rowsOf = (csv: string) => parse<Record<string, string>>(csv, { columns: true })
const readCsv = async (pieces: AsyncIterable<string>) => rowsOf(await textOf(pieces))

describeDatabases('the pages of exports', (open) => {
  let db: Connection
  beforeAll(async () => {
    db = await open()
    await makeInstrument(db, 'BTC')
  })

  it('writes each fill once, over many at the same moment and many pages', async () => {
    const botId = 'fills-pages'
    await makeBot(db, botId)
    // 2,500 at three moments: a page ends amid those of one.
    const inputs = Array.from({ length: 2_500 }, (_, i) => fillOf(botId, 'BTC', 'buy 1 @ 1', i % 3))
    await recordFills(db, inputs)
    const pieces: string[] = []
    for await (const piece of exportFills(db, { botId, format: 'csv' })) pieces.push(piece)
    expect(pieces.map((piece) => piece.split('\r\n').length - 1)).toEqual([1_001, 1_000, 500])
    const ids = rowsOf(pieces.join('')).map((row) => row.exchange_trade_id)
    expect([...ids].sort()).toEqual(inputs.map((input) => input.exchangeTradeId).sort())
    const objects = JSON.parse(await textOf(exportFills(db, { botId, format: 'json' })))
    expect(objects.map((row: { exchange_trade_id: string }) => row.exchange_trade_id)).toEqual(ids)
  })

  it('sees what comes after its place while it runs, does not see what comes before, and repeats nothing', async () => {
    const botId = 'fills-meanwhile'
    await makeBot(db, botId)
    await recordFills(
      db,
      Array.from({ length: 1_500 }, (_, i) => fillOf(botId, 'BTC', 'buy 1 @ 1', i + 10)),
    )
    const pieces = exportFills(db, { botId, format: 'csv' })[Symbol.asyncIterator]()
    const { value: first } = await pieces.next()
    await recordFill(db, fillOf(botId, 'BTC', 'buy 5 @ 1', 1))
    await recordFill(db, fillOf(botId, 'BTC', 'buy 7 @ 1', 9_000))
    const { value: second } = await pieces.next()
    expect(await pieces.next()).toEqual({ value: undefined, done: true })
    const quantities = rowsOf(first + second).map((row) => row.quantity)
    expect(quantities).toEqual([...Array(1_500).fill('1'), '7'])
  })

  // The embedded engine has one connection, which the transaction holds.
  it.skipIf(open.engine === 'pglite')('sees one moment in a repeatable read transaction', async () => {
    const botId = 'fills-moment'
    await makeBot(db, botId)
    await recordFills(
      db,
      Array.from({ length: 1_001 }, (_, i) => fillOf(botId, 'BTC', 'buy 1 @ 1', i)),
    )
    const count = await transaction(
      db,
      async (tx) => {
        let lines = 0
        for await (const piece of exportFills(tx, { botId, format: 'csv' })) {
          if (lines === 0) await recordFill(db, fillOf(botId, 'BTC', 'buy 7 @ 1', 9_000))
          lines += piece.split('\r\n').length - 1
        }
        return lines - 1
      },
      { isolationLevel: 'repeatable read', accessMode: 'read only' },
    )
    expect(count).toBe(1_001)
    expect(await readCsv(exportFills(db, { botId, format: 'csv' }))).toHaveLength(1_002)
  })

  // A million rows take ten times as long and no more memory: no piece is larger, and none is read ahead.
  it.skipIf(open.engine === 'pglite')(
    'reads 100,000 fills page by page, each when it is asked for and by the index',
    async () => {
      const sent: unknown[] = []
      const logger = { debug: (fields: object) => sent.push(fields), warn: () => undefined }
      const own = await open.fresh({ logger })
      const botId = 'fills-many'
      await makeBot(own, botId)
      await query(
        own,
        sql`insert into trading.fills (bot_id, id, exchange, symbol, side, exchange_trade_id, position_side, kind, price,
            quantity, fee, fee_currency, executed_at, sequence, realised_gross, excess_quantity)
          select ${botId}, gen_random_uuid(), 'x', 'BTC', 'buy', n::text, 'net', 'trade', 1, n, 0, 'USD',
            timestamptz '2024-01-01Z' + n / 7 * interval '1 second', 0, 0, 0 from generate_series(1, 100000) n`,
      )
      await query(own, sql`analyze trading.fills`)
      sent.length = 0
      let [pieces, rows, longest, sum] = [0, 0, 0, 0n]
      for await (const piece of exportFills(own, { botId, format: 'json' })) {
        pieces += 1
        const lines = piece.split('\n').filter((line) => line.startsWith('{'))
        longest = Math.max(longest, lines.length)
        rows += lines.length
        for (const line of lines) sum += BigInt(JSON.parse(line.replace(/,$/, '')).quantity)
        // The bot, and a page for each piece so far: nothing is read ahead. The last page of all is empty.
        expect(sent).toHaveLength(1 + Math.min(pieces, 101))
      }
      expect({ pieces, rows, longest, sum }).toEqual({
        pieces: 101,
        rows: 100_000,
        longest: 1_000,
        // 1 + 2 + … + 100,000
        sum: 5_000_050_000n,
      })
      const from = new Date('2024-01-01T03:30:00Z')
      const plan = await planOf(own, (db) => textOf(exportFills(db, { botId, format: 'csv', from })))
      expect(plan).toContain('fills_executed_at_idx')
      expect(plan).toMatch(/ROW\(executed_at, id\) > ROW/)
      expect(plan).not.toContain('Sort')
    },
  )

  it('reads closed trades by their index, too', async () => {
    const bots = ['trades-plan', 'trades-plan-2', 'trades-plan-3']
    for (const botId of bots) {
      await makeBot(db, botId)
      const inputs = Array.from({ length: 2_400 }, (_, i) =>
        fillOf(botId, 'BTC', `${i % 2 ? 'sell' : 'buy'} 1 @ 1`, i),
      )
      await recordFills(db, inputs)
    }
    await query(db, sql`analyze trading.positions`)
    const input = { botId: 'trades-plan', format: 'csv' } as const
    const plan = await planOf(db, (db) => textOf(exportTrades(db, input)))
    expect(plan).toContain('positions_closed_at_idx')
    expect(plan).toMatch(/Index Cond: .*ROW\(closed_at, id\) > ROW/)
    expect(await readCsv(exportTrades(db, input))).toHaveLength(1_200)
  })
})

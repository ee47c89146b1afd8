import { gunzipSync } from 'node:zlib'
import type { RecordCashFlowInput, RecordFillInput } from '../../src/trading/index.ts'
import { readShared, readSharedJson } from '../shared-data.ts'

export type Unowned<Input> = Omit<Input, 'botId'>

/** The 9,367 recorded executions. The file's order is their order within equal times. */
export function readTransactions(exchange: string): Unowned<RecordFillInput>[] {
  const [, ...lines] = gunzipSync(readShared('transactions/equity-transactions.csv.gz'))
    .toString('utf8')
    .trim()
    .split('\n')
  return lines.map((line, index) => {
    const [at = '', amount = '', price = '', , symbol = ''] = line.trim().split(',')
    const isSell = amount.startsWith('-')
    return {
      exchange,
      symbol,
      side: isSell ? 'sell' : 'buy',
      price,
      quantity: isSell ? amount.slice(1) : amount,
      executedAt: new Date(Date.parse(at.replace(' ', 'T'))),
      exchangeTradeId: String(index),
      sequence: BigInt(index),
    }
  })
}

interface RawFill {
  readonly coin: string
  readonly px: string
  readonly sz: string
  readonly side: 'A' | 'B'
  readonly time: number
  readonly oid: number
  readonly fee: string
  readonly closedPnl: string
  readonly startPosition: string
}

interface Recording<Row> {
  readonly response: Row[]
}

/**
 * The 500 recorded fills, in the order of the feed: newest first, but oldest first inside one millisecond. The exchange gave
 * them no ids.
 */
export function readHyperliquidFills(exchange: string): Unowned<RecordFillInput>[] {
  const places = new Map<string, bigint>()
  return readSharedJson<Recording<RawFill>[]>('hyperliquid/user_fills.json')
    .flatMap(({ response }) => response)
    .map((fill) => {
      const key = `${fill.coin} ${fill.time}`
      const sequence = places.get(key) ?? 0n
      places.set(key, sequence + 1n)
      return {
        exchange,
        symbol: fill.coin,
        side: fill.side === 'A' ? 'sell' : 'buy',
        price: fill.px,
        quantity: fill.sz,
        fee: fill.fee,
        feeCurrency: 'USDC',
        executedAt: new Date(fill.time),
        sequence,
        exchangeOrderId: String(fill.oid),
        exchangePnl: fill.closedPnl,
        exchangeStartPosition: fill.startPosition,
      }
    })
}

interface RawFunding {
  readonly time: number
  readonly delta: { readonly coin: string; readonly usdc: string }
}

/** The 218 recorded funding payments, at 16 instants. The exchange gave them no ids. */
export function readHyperliquidFunding(exchange: string): Unowned<RecordCashFlowInput>[] {
  return readSharedJson<Recording<RawFunding>[]>('hyperliquid/user_funding.json')
    .flatMap(({ response }) => response)
    .map(({ time, delta }) => ({
      exchange,
      symbol: delta.coin,
      kind: 'funding',
      currency: 'USDC',
      amount: delta.usdc,
      occurredAt: new Date(time),
    }))
}

import { gunzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { hasSharedData, readShared, readSharedJson, SKIP_REASON } from '../shared-data.ts'
import { type ModelFill, type ModelInstrument, type ModelMethod, replayModel } from './ledger-model.ts'
import { Rational } from './rational.ts'

const EQUITY: ModelInstrument = {
  kind: 'linear',
  baseCurrency: 'SHARE',
  quoteCurrency: 'USD',
  settleCurrency: 'USD',
  contractSize: '1',
}
const EXPECTED_SYMBOLS = ['COST', 'DELL', 'AMD'] as const
const METHODS = ['average', 'fifo', 'lifo'] as const
const EXPECTED_KEYS = { average: 'realized_avg_cost', fifo: 'realized_fifo', lifo: 'realized_lifo' } as const

interface Expected {
  readonly symbols: Record<string, Record<string, string | number>>
}

/** Returns the recorded executions of one symbol. The file's order is their order within equal times. */
function transactionsOf(wanted: string): ModelFill[] {
  const [, ...lines] = gunzipSync(readShared('transactions/equity-transactions.csv.gz'))
    .toString('utf8')
    .trim()
    .split('\n')
  return lines.flatMap((line, index) => {
    const [at = '', amount = '', price = '', , symbol] = line.trim().split(',')
    if (symbol !== wanted) return []
    const isSell = amount.startsWith('-')
    return {
      exchangeTradeId: `${index}`,
      side: isSell ? 'sell' : 'buy',
      positionSide: 'net',
      price,
      quantity: isSell ? amount.slice(1) : amount,
      fee: '0',
      feeCurrency: 'USD',
      executedAt: Date.parse(at.replace(' ', 'T')),
      sequence: BigInt(index),
    }
  })
}

describe.skipIf(!hasSharedData)(`recorded transactions${hasSharedData ? '' : ` (${SKIP_REASON})`}`, () => {
  test.for(EXPECTED_SYMBOLS.flatMap((symbol) => METHODS.map((method) => [symbol, method] as const)))(
    'the realised PnL of %s by %s is the one computed elsewhere',
    ([symbol, method]) => {
      const expected = readSharedJson<Expected>('expected/realized-pnl.json').symbols[symbol] ?? {}
      const fills = transactionsOf(symbol)
      expect(fills).toHaveLength(Number(expected.fills))
      const ledger = replayModel({ fills, funding: [], instrument: EQUITY, method })
      const open = ledger.cycles.filter(({ status }) => status === 'open')

      expect(exact(ledger.netCashFlow)).toEqual(exact(expected.cash_flow))
      expect(open.map(({ direction, quantity }) => [direction, quantity])).toEqual([
        ['long', expected.net_qty],
      ])
      // The 40 decimals of an average are compared as far as those computed elsewhere go; lots need no rounding.
      const realised = exact(expected[EXPECTED_KEYS[method]])
      if (method === 'average') expect(exact(ledger.totalGross).roundTo(18)).toEqual(realised)
      else expect(exact(ledger.totalGross)).toEqual(realised)
      if (method === 'fifo') expect(exact(open[0]?.cost)).toEqual(exact(expected.open_cost_fifo))
      expect(ledger.cycles.length - open.length).toBe(expected.flat_cycles_avg)
      expect(exact(ledger.netCashFlow).add(exact(ledger.signedOpenCost))).toEqual(exact(ledger.totalGross))
    },
  )
})

interface Scenario {
  readonly name: string
  readonly fills: readonly [
    order: number,
    side: 'buy' | 'sell',
    quantity: string,
    price: string,
    minute: number,
  ][]
  readonly expected: Record<
    string,
    readonly { dir: string; qty: string; entry: string; exit: string; pnl: string }[]
  >
}

describe.skipIf(!hasSharedData)(`round trips${hasSharedData ? '' : ` (${SKIP_REASON})`}`, () => {
  test.for(METHODS)('cycles by %s are the expected trades from flat to flat', (method: ModelMethod) => {
    const { scenarios } = readSharedJson<{ scenarios: Scenario[] }>('expected/round-trips.json')
    expect(scenarios.length).toBeGreaterThan(0)
    for (const { name, fills, expected } of scenarios) {
      const trades = expected['*'] ?? expected['FlatToFlat/*']
      expect(trades, name).toBeDefined()
      const { cycles } = replayModel({
        fills: fills.map(([order, side, quantity, price, minute]) => ({
          exchangeTradeId: `${order}`,
          side,
          positionSide: 'net',
          price,
          quantity,
          fee: '1',
          feeCurrency: 'USD',
          executedAt: minute * 60_000,
          sequence: 0n,
        })),
        funding: [],
        instrument: EQUITY,
        method,
      })
      expect(
        cycles.map((cycle) => ({
          dir: cycle.direction,
          qty: cycle.entryQuantity,
          entry: priceOf(cycle.entryCost, cycle.entryQuantity),
          exit: priceOf(cycle.exitValue, cycle.exitQuantity),
          pnl: cycle.realisedGross,
        })),
        name,
      ).toEqual(trades?.map(({ dir, qty, entry, exit, pnl }) => ({ dir, qty, entry, exit, pnl })))
    }
  })
})

function exact(amount: string | number | undefined): Rational {
  return Rational.parse(String(amount))
}

/** Rounded to 28 decimals, as the expected prices are. */
function priceOf(value: string, quantity: string): string {
  return Rational.parse(value).div(Rational.parse(quantity)).roundTo(28).toText()
}

import { type Connection, type RecordFillInput, registerBot, setInstrument } from 'tradeblotter'

export const EXCHANGE = 'bench'
export const SYMBOL = 'BTC/USD:USD'

export async function prepareInstruments(db: Connection, symbols: readonly string[]): Promise<void> {
  for (const symbol of symbols) {
    await setInstrument(db, {
      exchange: EXCHANGE,
      symbol,
      kind: 'linear',
      baseCurrency: 'BTC',
      quoteCurrency: 'USD',
    })
  }
}

export async function prepareBot(db: Connection, botId: string): Promise<string> {
  await registerBot(db, {
    botId,
    name: botId,
    kind: 'bench',
    strategy: 'none',
    exchange: EXCHANGE,
    mode: 'backtest',
    baseCurrency: 'USD',
    initialEquity: '100000',
  })
  return botId
}

const START = Date.UTC(2026, 0, 1)

/** The n-th fill of a bot that buys five times, then sells once, and never gets flat. */
export function fillOf(botId: string, n: number, symbol = SYMBOL): RecordFillInput {
  return {
    botId,
    exchange: EXCHANGE,
    symbol,
    side: n % 6 === 5 ? 'sell' : 'buy',
    price: `${42_000 + (n % 977)}.1${n % 10}`,
    quantity: '0.0125',
    executedAt: new Date(START + n * 1_000),
    exchangeTradeId: String(n),
    fee: '0.105',
    feeCurrency: 'USD',
  }
}

import { Decimal, type Position, type Trade } from 'tradeblotter'
import { type Books, isBalanced, sum } from './books.ts'
import type { Market } from './bot.ts'
import { bold, count, countOf, day, dim, money, paintBySign, price, print, printTable, type TableColumn } from './terminal.ts'

/** Trades at either end of a list that is too long to be read. */
const SHOWN = 8
const MOST_SHOWN = 2 * SHOWN + 4
const DAY_MS = 86_400_000

interface Numbered {
  readonly number: number
  readonly trade: Trade
}

const TRADE_COLUMNS: readonly TableColumn<Numbered>[] = [
  { title: '#', text: ({ number }) => String(number) },
  { title: 'opened', text: ({ trade }) => day(trade.openedAt), align: 'left' },
  { title: 'days', text: ({ trade }) => String(Math.round(trade.holdingMs / DAY_MS)) },
  { title: 'side', text: ({ trade }) => trade.direction, align: 'left' },
  { title: 'quantity', text: ({ trade }) => money(trade.quantity), isExtra: true },
  { title: 'entry', text: ({ trade }) => price(trade.entryPrice) },
  { title: 'exit', text: ({ trade }) => price(trade.exitPrice) },
  { title: 'gross', text: ({ trade }) => money(trade.gross), sign: ({ trade }) => trade.gross },
  { title: 'fees', text: ({ trade }) => money(trade.fees), isExtra: true },
  { title: 'net', text: ({ trade }) => money(netOf(trade)), sign: ({ trade }) => netOf(trade) },
  { title: 'ended by', text: ({ trade }) => trade.exitReason ?? '', align: 'left', isExtra: true },
]

/** Every fee of the demo is in settlement currency, so that net is always known. */
function netOf(trade: Trade): Decimal {
  return trade.netPnl ?? new Decimal(0)
}

export function printTrades(trades: readonly Trade[]): void {
  heading('Trades, from flat to flat')
  if (trades.length === 0) {
    print('  None was closed: the averages did not cross, or only once.')
    return
  }
  const rows: (Numbered | undefined)[] = trades.map((trade, index) => ({ number: index + 1, trade }))
  const isLong = rows.length > MOST_SHOWN
  const hidden = rows.length - 2 * SHOWN
  if (isLong) rows.splice(SHOWN, hidden, undefined)
  printTable(TRADE_COLUMNS, rows, `… ${count(hidden)} more …`)
}

export function printPosition(position: Position | undefined, { currency, symbol }: Market): void {
  heading('Open position')
  if (!position) {
    print('  None: the bot is flat.')
    return
  }
  const { direction, quantity, averagePrice, openedAt, markPrice, trailingStop } = position
  print(`  ${direction} ${money(quantity)} ${symbol} since ${day(openedAt)}`)
  print(
    `  average price ${price(averagePrice)}, last close ${price(markPrice)}, trailing stop ${price(trailingStop)}`,
  )
  const unrealised = position.unrealisedPnl ?? new Decimal(0)
  print(`  unrealised PnL ${paintBySign(`${money(unrealised)} ${currency}`, unrealised)}`)
}

export function printResult(books: Books, { currency, initialEquity }: Market): void {
  const { trades, realisedGross, fees, position } = books
  const nets = trades.map(netOf)
  const wins = nets.filter((net) => net.gt(0))
  const losses = nets.filter((net) => net.lt(0))
  const even = nets.length - wins.length - losses.length
  const net = realisedGross.minus(fees)
  const unrealised = position?.unrealisedPnl ?? new Decimal(0)
  heading(`Result in ${currency}`)
  printAmounts([
    ['Realised PnL, gross', realisedGross],
    ['Fees', fees.neg()],
    ['Realised PnL, net', net],
    ['Unrealised PnL', unrealised],
    ['Equity at the start', initialEquity],
    ['Equity at the end', initialEquity.plus(net).plus(unrealised)],
  ])
  const average = (list: readonly Decimal[]) => money(sum(list).div(list.length))
  print()
  print(`  ${countOf(trades.length, 'closed trade')}: ${wins.length} won, ${losses.length} lost, ${even} even (net)`)
  if (wins.length > 0) print(`  Average win   ${average(wins)}, best ${money(Decimal.max(...wins))}`)
  if (losses.length > 0) print(`  Average loss  ${average(losses)}, worst ${money(Decimal.min(...losses))}`)
}

function printAmounts(rows: readonly (readonly [string, Decimal])[]): void {
  const texts = rows.map(([, amount]) => money(amount))
  const width = Math.max(...texts.map((text) => text.length))
  rows.forEach(([label, amount], index) => {
    print(`  ${label.padEnd(22)}${paintBySign((texts[index] ?? '').padStart(width), amount)}`)
  })
}

/** Prints both sides of the ledger's identity with all their digits, and what a replay of the fills finds. */
export function printProof(books: Books): void {
  const { realisedGross, cashFlow, openCost, fillCount, ledgers, differences } = books
  heading(`Ledger identity, from ${countOf(fillCount, 'fill')}, all digits`)
  printExact([
    ['Realised gross', realisedGross],
    ['Net cash flow', cashFlow],
    ['+ cost still open', openCost],
    ['= sum', cashFlow.plus(openCost)],
  ])
  print(`  Identity: ${isBalanced(books) ? 'holds exactly' : bold('BROKEN')}`)
  print(`  Replay of ${countOf(ledgers, 'ledger')}: ${countOf(differences, 'difference')}`)
}

/** Points below one another, which tells more than ends below one another. */
function printExact(rows: readonly (readonly [string, Decimal])[]): void {
  const texts = rows.map(([, amount]) => amount.toFixed())
  const wholes = texts.map((text) => text.split('.')[0]?.length ?? 0)
  const width = Math.max(...wholes)
  rows.forEach(([label], index) => {
    const space = ' '.repeat(width - (wholes[index] ?? 0))
    print(`  ${label.padEnd(20)}${space}${texts[index]}`)
  })
}

function heading(text: string): void {
  print()
  print(bold(text))
}


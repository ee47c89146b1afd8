import { type AuditVerification, Decimal, type Performance, type Position, type Trade } from 'tradeblotter'
import { agrees, type Books, equityOf, isBalanced, sum } from './books.ts'
import type { Market } from './bot.ts'
import type { Halt, Risk } from './risk.ts'
import {
  bold,
  count,
  countOf,
  DAY_MS,
  day,
  duration,
  minute,
  money,
  paintBySign,
  price,
  print,
  printTable,
  type TableColumn,
} from './terminal.ts'

/** Trades at either end of a list that is too long to be read. */
const SHOWN = 8
const MOST_SHOWN = 2 * SHOWN + 4

interface Numbered {
  readonly number: number
  readonly trade: Trade
}

function tradeColumns(isIntraday: boolean): readonly TableColumn<Numbered>[] {
  const when = isIntraday ? minute : day
  return [
    { title: '#', text: ({ number }) => String(number) },
    { title: 'opened', text: ({ trade }) => when(trade.openedAt), align: 'left' },
    { title: 'held', text: ({ trade }) => duration(trade.holdingMs) },
    { title: 'side', text: ({ trade }) => trade.direction, align: 'left' },
    { title: 'quantity', text: ({ trade }) => money(trade.quantity), isExtra: true },
    { title: 'entry', text: ({ trade }) => price(trade.entryPrice) },
    { title: 'exit', text: ({ trade }) => price(trade.exitPrice) },
    { title: 'gross', text: ({ trade }) => money(trade.gross), sign: ({ trade }) => trade.gross },
    { title: 'net', text: ({ trade }) => money(netOf(trade)), sign: ({ trade }) => netOf(trade) },
    { title: 'ended by', text: ({ trade }) => trade.exitReason ?? '', align: 'left', isExtra: true },
    { title: 'fees', text: ({ trade }) => money(trade.fees), isExtra: true },
  ]
}

/** Every fee of the demo is in settlement currency, so that net is always known. */
function netOf(trade: Trade): Decimal {
  return trade.netPnl ?? new Decimal(0)
}

export function printTrades(trades: readonly Trade[]): void {
  heading('Trades, from flat to flat')
  if (trades.length === 0) {
    print('  None was closed: the averages crossed too seldom, or one lot was too dear.')
    return
  }
  const rows: (Numbered | undefined)[] = trades.map((trade, index) => ({ number: index + 1, trade }))
  const isLong = rows.length > MOST_SHOWN
  const hidden = rows.length - 2 * SHOWN
  if (isLong) rows.splice(SHOWN, hidden, undefined)
  printTable(
    tradeColumns(trades.some(({ openedAt }) => openedAt.getTime() % DAY_MS > 0)),
    rows,
    `... ${count(hidden)} more ...`,
  )
}

export function printPosition(position: Position | undefined, { currency, symbol }: Market): void {
  heading('Open position')
  if (!position) {
    print('  None: the bot is flat.')
    return
  }
  const { direction, quantity, averagePrice, openedAt, markPrice, stopLoss } = position
  print(`  ${direction} ${money(quantity)} ${symbol} since ${day(openedAt)}`)
  print(`  average price ${price(averagePrice)}, last close ${price(markPrice)}, stop ${price(stopLoss)}`)
  const unrealised = position.unrealisedPnl ?? new Decimal(0)
  print(`  unrealised PnL ${paintBySign(`${money(unrealised)} ${currency}`, unrealised)}`)
}

export function printResult(books: Books, market: Market): void {
  const { currency, initialEquity } = market
  const { trades, realisedGross, fees, position, flips, partialExits } = books
  const nets = trades.map(netOf)
  const wins = nets.filter((net) => net.gt(0))
  const losses = nets.filter((net) => net.lt(0))
  const even = nets.length - wins.length - losses.length
  const net = realisedGross.minus(fees)
  const unrealised = position?.unrealisedPnl ?? new Decimal(0)
  heading(`Result in ${currency}`)
  printAmounts([
    ['Realised PnL, gross', realisedGross, true],
    ['Fees', fees.neg(), true],
    ['Realised PnL, net', net, true],
    ['Unrealised PnL', unrealised, true],
    ['Equity at the start', initialEquity, false],
    ['Equity at the end', equityOf(books, market), false],
  ])
  const average = (list: readonly Decimal[]) => money(sum(list).div(list.length))
  print()
  print(
    `  ${countOf(trades.length, 'closed trade')}: ${wins.length} won, ${losses.length} lost, ${even} even (net)`,
  )
  const endedBy = (reason: string) => trades.filter(({ exitReason }) => exitReason === reason).length
  print(
    `  ended by ${countOf(endedBy('crossover'), 'crossover')} and ${countOf(endedBy('stop'), 'stop')}; ` +
      `${countOf(flips, 'flip')}, ${countOf(partialExits, 'partial exit')}`,
  )
  if (wins.length > 0) print(`  Average win   ${average(wins)}, best ${money(Decimal.max(...wins))}`)
  if (losses.length > 0) print(`  Average loss  ${average(losses)}, worst ${money(Decimal.min(...losses))}`)
}

function printAmounts(rows: readonly (readonly [label: string, amount: Decimal, isChange: boolean])[]): void {
  const texts = rows.map(([, amount]) => money(amount))
  const width = Math.max(...texts.map((text) => text.length))
  rows.forEach(([label, amount, isChange], index) => {
    const text = (texts[index] ?? '').padStart(width)
    print(`  ${label.padEnd(22)}${isChange ? paintBySign(text, amount) : text}`)
  })
}

/** What the bot's days come to. The tear sheet has the same figures, and many more. */
export function printPerformance({ returns, baseCurrency }: Performance): void {
  heading('Performance, from the equity of each day')
  const { firstDay, lastDay, totalReturn, cagr, sharpe, sortino, volatility } = returns
  if (firstDay === null) {
    print('  No days: nothing was traded.')
    return
  }
  const few = returns.smallSample ? `, of ${countOf(returns.returnCount, 'return')} only` : ''
  const unknown = returns.unknownDays > 0 ? `, ${countOf(returns.unknownDays, 'day')} unknown` : ''
  print(`  ${firstDay} to ${lastDay}${unknown}: return ${share(totalReturn)}, ${share(cagr)} a year`)
  print(`  Sharpe ${ratio(sharpe)}, Sortino ${ratio(sortino)}, volatility ${share(volatility)}${few}`)
  const lost =
    returns.maxDrawdownAmount === null ? '' : `, ${money(returns.maxDrawdownAmount)} ${baseCurrency}`
  print(`  Deepest drawdown ${share(returns.maxDrawdownFraction)}${lost}`)
}

const NO_VALUE = 'n/a'

function share(fraction: number | null): string {
  return fraction === null ? NO_VALUE : percent(new Decimal(fraction))
}

function ratio(value: number | null): string {
  return value === null ? NO_VALUE : new Decimal(value).toFixed(2)
}

const haltColumns: readonly TableColumn<Halt>[] = [
  { title: 'tripped', text: ({ trip }) => day(trip.trippedAt), align: 'left' },
  { title: 'by', text: ({ trip }) => trip.trigger, align: 'left' },
  { title: 'at', text: ({ trip }) => (trip.trigger === 'max_drawdown' ? percent(trip.actual) : '') },
  { title: 'resumed', text: ({ trip }) => (trip.resolvedAt ? day(trip.resolvedAt) : ''), align: 'left' },
  { title: 'halted', text: ({ ms }) => duration(ms) },
  { title: 'refused', text: ({ refused }) => String(refused) },
  { title: 'exits', text: ({ exits }) => String(exits) },
]

function percent(fraction: Decimal | null): string {
  return fraction === null ? '' : `${money(fraction.times(100))} %`
}

export function printRisk({ halts, refused, codes, status }: Risk): void {
  heading('Risk: what stopped entries, and what passed meanwhile')
  if (halts.length > 0) printTable(haltColumns, halts, '')
  const exits = halts.reduce((total, halt) => total + halt.exits, 0)
  const haltedMs = halts.reduce((total, halt) => total + halt.ms, 0)
  const entries = `${count(refused)} ${refused === 1 ? 'entry' : 'entries'} refused`
  print(
    `  ${countOf(halts.length, 'trip')}, halted for ${duration(haltedMs)}: ${entries}, ${countOf(exits, 'exit')} passed`,
  )
  if (codes.length > 0) print(`  Refused by ${codes.join(', ')}`)
  const blocks = status.blocks.map(({ code }) => code).join(', ')
  print(`  Status at the end: ${status.state}${blocks && ` (${blocks})`}`)
}

/** Prints both sides of the ledger's identity with all their digits, and what a replay of the fills finds. */
export function printProof(books: Books, performance: Performance, market: Market): void {
  const { realisedGross, cashFlow, openCost, fillCount, ledgers, differences } = books
  heading(`Ledger identity, from ${countOf(fillCount, 'fill')}, all digits`)
  printExact([
    ['Realised gross', realisedGross],
    ['Net cash flow', cashFlow],
    ['+ cost still open', openCost],
    ['= sum', cashFlow.plus(openCost)],
  ])
  print(`  Identity: ${isBalanced(books) ? 'holds exactly' : bold('BROKEN')}`)
  const isSame = agrees(books, performance, market)
  print(`  Equity of the last day: ${isSame ? 'the same as by the trades' : bold('BROKEN')}`)
  print(
    `  rebuildPositions, dry run over ${countOf(ledgers, 'ledger')}: ${countOf(differences, 'difference')}`,
  )
}

/** Prints whether what was written down of changes and refusals is as it was written. */
export function printAudit({ rows, chains, isIntact }: AuditVerification): void {
  const found = isIntact ? 'intact' : bold('BROKEN')
  print(`  verifyAuditTrail over ${countOf(rows, 'row')} in ${countOf(chains, 'chain')}: ${found}`)
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

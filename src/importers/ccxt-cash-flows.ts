import { toName } from '../db/columns.ts'
import { Decimal } from '../db/decimal.ts'
import type { RecordCashFlowInput } from '../trading/cash-flow-input.ts'
import type { PositionSide } from '../trading/position-math.ts'
import type { CashFlowKind } from '../trading/schema/fills.ts'
import { convertEntries, type Entry } from './ccxt-entry.ts'
import { defined } from './ccxt-fills.ts'
import { type CcxtFlow, flowSchema } from './ccxt-schema.ts'

export interface CashFlowsFromCcxtOptions {
  readonly botId: string
  readonly exchange: string
  /** The currency of entries that have none. Without it, they are refused. */
  readonly currency?: string | undefined
  /** The position side of funding payments that name none. `net` unless the account is hedged. */
  readonly positionSide?: PositionSide | undefined
  /**
   * What each `type` of entry is here, beside those that are known; null leaves such entries out. Needed for `fee`, say, which
   * is the trading fee on one exchange, and so already on the fills, and funding on another.
   */
  readonly kinds?: Readonly<Record<string, CashFlowKind | null>> | undefined
  /** Whether money came in or went out, asked where neither entry nor kind tells: for transfers on most exchanges. */
  readonly directionOf?: ((entry: CcxtFlow) => 'in' | 'out' | undefined) | undefined
}

/**
 * Converts ccxt's funding history, ledger entries, deposits, withdrawals and transfers to what `recordCashFlows` takes.
 *
 * Amounts are read as `fillsFromCcxt` reads them, and made positive when received, negative when paid. Left out are ledger
 * entries of type `trade`, which are the fills' own money, and entries whose status is not `ok`. A fee on an entry becomes a
 * cash flow of kind `fee` beside it, since ccxt's amount does not include it.
 *
 * @throws `invalid_input` naming index and field of every problem (at most 20), as `entries[3].currency: is missing`.
 */
export function cashFlowsFromCcxt(
  entries: readonly unknown[],
  options: CashFlowsFromCcxtOptions,
): RecordCashFlowInput[] {
  const owner = { botId: toName(options.botId, 'botId'), exchange: toName(options.exchange, 'exchange') }
  const kinds = new Map(Object.entries({ ...KINDS, ...options.kinds }))
  return convertEntries('entries', entries, flowSchema, (flow, entry) => {
    if (flow.status && flow.status !== 'ok') return undefined
    const kind = kindOf(flow, entry, kinds, options)
    if (kind === null) return undefined
    const amount = readAmount(flow, entry, kind, options)
    const currency = flow.currency || flow.code || options.currency
    if (!currency) entry.refuse('currency', 'is missing; say it with the option currency')
    const occurredAt = entry.moment(flow)
    const symbol = flow.symbol || undefined
    if (kind === 'funding' && !symbol) entry.refuse('symbol', 'is missing for a funding payment')
    const fee = readFee(flow, entry)
    if (!kind || !amount || !currency || !occurredAt) return undefined
    const identity = { ...owner, occurredAt, ...defined({ exchangeFlowId: flow.id || undefined }) }
    const positionSide = kind === 'funding' ? (entry.positionSide() ?? options.positionSide) : undefined
    const main = { ...identity, kind, amount, currency, ...defined({ symbol, positionSide }) }
    return fee ? [main, { ...identity, kind: 'fee' as const, ...fee }] : [main]
  }).flat()
}

type KindOrSign = CashFlowKind | 'transaction'

const KINDS: Readonly<Record<string, KindOrSign | null>> = {
  deposit: 'deposit',
  withdrawal: 'withdrawal',
  // Deposits and withdrawals alike: the direction tells.
  transaction: 'transaction',
  transfer: 'transfer',
  funding: 'funding',
  interest: 'interest',
  rebate: 'rebate',
  cashback: 'rebate',
  referral: 'rebate',
  airdrop: 'adjustment',
  trade: null,
}

/** Null for what is no cash flow here; undefined after a problem was noted. */
function kindOf(
  flow: CcxtFlow,
  entry: Entry,
  kinds: ReadonlyMap<string, KindOrSign | null>,
  options: CashFlowsFromCcxtOptions,
): CashFlowKind | null | undefined {
  if (!flow.type) {
    if (flow.fromAccount || flow.toAccount) return 'transfer'
    return flow.symbol ? 'funding' : entry.refuse('type', 'is missing')
  }
  const kind = kinds.get(flow.type)
  if (kind === undefined) {
    return entry.refuse(
      'type',
      `is '${flow.type}'; say with the option kinds what that is, or null to leave it out`,
    )
  }
  if (kind !== 'transaction') return kind
  const direction = statedDirection(flow) ?? options.directionOf?.(flow)
  if (direction === undefined) return entry.refuse('direction', NO_DIRECTION)
  return direction === 'in' ? 'deposit' : 'withdrawal'
}

const NO_DIRECTION = 'is missing; say it with the option directionOf'

function statedDirection(flow: CcxtFlow): 'in' | 'out' | undefined {
  if (flow.direction) return flow.direction
  // ccxt's amounts have no sign, but those that it did not unify may.
  return String(flow.amount).startsWith('-') ? 'out' : undefined
}

function readAmount(
  flow: CcxtFlow,
  entry: Entry,
  kind: CashFlowKind | undefined,
  options: CashFlowsFromCcxtOptions,
): string | undefined {
  const amount = entry.amount('amount', flow.amount)
  if (amount === undefined) {
    if (flow.amount === undefined || flow.amount === null) entry.refuse('amount', 'is missing')
    return undefined
  }
  // A funding payment comes with its sign.
  if (new Decimal(amount).isZero() || (kind === 'funding' && !flow.direction)) return amount
  const direction = statedDirection(flow) ?? USUAL_DIRECTIONS.get(kind) ?? options.directionOf?.(flow)
  if (direction === undefined) {
    // Without a kind, that is the problem.
    return kind === undefined ? undefined : entry.refuse('direction', NO_DIRECTION)
  }
  const size = amount.replace('-', '')
  return direction === 'out' ? `-${size}` : size
}

const USUAL_DIRECTIONS: ReadonlyMap<CashFlowKind | undefined, 'in' | 'out'> = new Map([
  ['deposit', 'in'],
  ['withdrawal', 'out'],
  ['rebate', 'in'],
])

function readFee({ fee }: CcxtFlow, entry: Entry) {
  const cost = entry.amount('fee.cost', fee?.cost)
  if (cost === undefined || new Decimal(cost).isZero()) return undefined
  if (!fee?.currency) return entry.refuse('fee.currency', `is missing for a fee of ${cost}`)
  return { amount: new Decimal(cost).neg().toFixed(), currency: fee.currency }
}

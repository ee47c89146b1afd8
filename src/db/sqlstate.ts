import { DataError, type ErrorCode, isDataError } from './errors.ts'

/** Raised by the triggers of this schema. */
const OWN_STATES: Readonly<Record<string, ErrorCode>> = {
  TB001: 'invalid_transition',
  TB002: 'invalid_input',
}

const STATES: Readonly<Record<string, ErrorCode>> = {
  '23503': 'missing_reference',
  '23505': 'conflict',
  '23P01': 'conflict',
  '42P01': 'schema_mismatch',
  '42703': 'schema_mismatch',
  '3F000': 'schema_mismatch',
  '42883': 'schema_mismatch',
  '55P03': 'transient',
  '57014': 'transient',
  '25P03': 'connection',
  // Whether the statement completed is unknown, unlike all else of its class.
  '40003': 'connection',
}

const CLASSES: Readonly<Record<string, ErrorCode>> = {
  '08': 'connection',
  '22': 'invalid_input',
  '23': 'invalid_input',
  '28': 'config',
  '3D': 'config',
  '40': 'transient',
  '53': 'transient',
  '57': 'connection',
}

const DRIVER_CODE = /^(?:E(?!RR_)[A-Z_]{3,}|CONNECT_TIMEOUT|CONNECTION_[A-Z_]+)$/
const DRIVER_MESSAGES =
  /connection terminated|client has encountered a connection error|client was closed|^timeout expired$/i

interface ServerError extends Error {
  readonly code?: unknown
  readonly constraint_name?: unknown
  readonly constraint?: unknown
  readonly detail?: unknown
  readonly column_name?: unknown
  readonly column?: unknown
  readonly severity?: unknown
}

/**
 * Turns whatever a driver threw into a `DataError`, and leaves every other error as it is.
 *
 * The statement's text and parameters do not reach the message.
 */
export function translateError(thrown: unknown, statement: string): unknown {
  if (isDataError(thrown) || !(thrown instanceof Error)) return thrown
  const error = unwrap(thrown)
  const code = classify(error)
  if (code === undefined) return thrown
  const constraint = textOf(error.constraint_name) ?? textOf(error.constraint)
  const field = fieldOf(constraint) ?? textOf(error.column_name) ?? textOf(error.column)
  const message = `${statement}: ${explain(code, error, constraint)}`
  const details = { cause: withoutValues(error), constraint, field: field && toCamelCase(field) }
  return new DataError(code, message, details)
}

/** Turns whatever a driver threw into a `DataError`, also what it has no code for. */
export function translateDriverError(thrown: unknown, statement: string): DataError {
  const error = translateError(thrown, statement)
  if (isDataError(error)) return error
  if (!(error instanceof Error)) return new DataError('unexpected', `${statement}: ${String(error)}`)
  return new DataError('unexpected', `${statement}: ${error.message}`, { cause: withoutValues(error) })
}

/** What a log may show of a driver's error. */
const SHOWN = [
  ...[
    'code',
    'severity',
    'hint',
    'position',
    'routine',
    'constraint_name',
    'constraint',
    'schema_name',
    'schema',
  ],
  ...['table_name', 'table', 'column_name', 'column', 'data_type_name', 'dataType'],
  ...['errno', 'syscall', 'address', 'port'],
]

/**
 * A copy of the driver's error without the values that went to the server: postgres.js hangs the parameters on it, and the
 * server prints rows and documents into its detail and context. Whoever logs an error logs its cause.
 */
function withoutValues(error: Error): Error {
  const copy = new Error(error.message)
  Object.defineProperty(copy, 'name', { value: error.name, enumerable: false })
  Object.defineProperty(copy, 'stack', { value: error.stack, enumerable: false })
  for (const key of SHOWN) {
    const value = (error as unknown as Record<string, unknown>)[key]
    if (value !== undefined && value !== null) Object.assign(copy, { [key]: value })
  }
  return copy
}

/**
 * True when the error says that the connection is gone, or that its state cannot be known: after any error but one that the
 * server reported and lived on.
 */
export function isConnectionLoss(thrown: unknown): boolean {
  if (!(thrown instanceof Error)) return true
  const error = unwrap(thrown)
  const code = classify(error)
  return (
    code === undefined || code === 'connection' || error.severity === 'FATAL' || error.severity === 'PANIC'
  )
}

/** The SQLSTATE of the server's error underneath, if there is one. */
export function sqlStateOf(error: unknown): string | undefined {
  if (!isDataError(error)) return undefined
  const { cause } = error
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined
}

/** Drizzle wraps a driver's error, with all parameters in the message; the driver's own is inside. */
function unwrap(error: Error): ServerError {
  const { cause } = error
  return cause instanceof Error && !('code' in error) && 'code' in cause ? cause : error
}

function classify(error: ServerError): ErrorCode | undefined {
  const state = error.code
  if (typeof state === 'string') {
    if (isRefusedByPooler(error)) return 'config'
    // First, since EPIPE has five letters too.
    if (DRIVER_CODE.test(state)) return 'connection'
    if (/^[0-9A-Z]{5}$/.test(state)) {
      return OWN_STATES[state] ?? STATES[state] ?? CLASSES[state.slice(0, 2)] ?? 'unexpected'
    }
  }
  return DRIVER_MESSAGES.test(error.message) ? 'connection' : undefined
}

const NOT_POOLED = '; if a pooler is between, connect with pooled: true'

/** What a server says that was sent the prepared statements of somebody else. */
const POOLER_ADVICE: Readonly<Record<string, string>> = {
  '26000': NOT_POOLED,
  '42P05': NOT_POOLED,
  '08P01': NOT_POOLED,
}

/** What PgBouncer says to who sends the settings of a session. */
function isRefusedByPooler(error: ServerError): boolean {
  return error.code === '08P01' && error.message.includes('startup parameter')
}

function explain(code: ErrorCode, error: ServerError, constraint: string | undefined): string {
  const state = textOf(error.code) ?? ''
  switch (code) {
    case 'conflict':
    case 'missing_reference':
      // The detail of these names the key and its value; that of a failed check would print the whole row.
      return `${textOf(error.detail) ?? error.message}${constraint ? ` (${constraint})` : ''}`
    case 'invalid_input':
      return state === '23514' ? `a value breaks the rule ${constraint}` : error.message
    case 'schema_mismatch':
      return `${error.message}; run migrate(), or deploy the release that fits this database`
    case 'connection':
      return `the connection was lost (${state || error.message}), so the outcome is unknown; repeat only what is safe to repeat`
    default:
      return state ? `${error.message} (${state})${POOLER_ADVICE[state] ?? ''}` : error.message
  }
}

const RULE_NAME = /^(.+)_(?:check|fkey)$/

/** The column of a check or a foreign key, as its name says: `table_column_check`. */
function fieldOf(constraint: string | undefined): string | undefined {
  const body = constraint && RULE_NAME.exec(constraint)?.[1]
  if (!body) return undefined
  const table = CHECKED_TABLES.find((name) => body.startsWith(`${name}_`))
  return table === undefined ? undefined : body.slice(table.length + 1)
}

// Longest first, since `fills` starts no other name but `order_events` and `orders` could be mistaken.
const CHECKED_TABLES = [
  'global_circuit_breakers',
  'correlation_matrices',
  'cash_flow_conflicts',
  'portfolio_snapshots',
  'bot_configurations',
  'kill_switch_events',
  'decision_evidence',
  'technical_signals',
  'circuit_breakers',
  'decision_history',
  'review_summaries',
  'strategy_symbols',
  'var_calculations',
  'backtest_equity',
  'backtest_trades',
  'calendar_events',
  'decision_checks',
  'global_settings',
  'onchain_metrics',
  'fill_conflicts',
  'ml_predictions',
  'funding_rates',
  'open_interest',
  'opportunities',
  'position_lots',
  'system_events',
  'auto_trading',
  'global_locks',
  'ledger_heads',
  'llm_analyses',
  'order_events',
  'activations',
  'allocations',
  'flash_loans',
  'instruments',
  'kill_switch',
  'performance',
  'risk_events',
  'stop_orders',
  'trade_ideas',
  'cash_flows',
  'dex_prices',
  'executions',
  'fear_greed',
  'gas_prices',
  'indicators',
  'selections',
  'strategies',
  'volatility',
  'backtests',
  'daily_pnl',
  'decisions',
  'drawdowns',
  'liquidity',
  'positions',
  'refreshes',
  'sentiment',
  'triangles',
  'balances',
  'calendar',
  'insights',
  'settings',
  'account',
  'bundles',
  'candles',
  'metrics',
  'reviews',
  'signals',
  'alerts',
  'chains',
  'market',
  'orders',
  'series',
  'trades',
  'fills',
  'gates',
  'locks',
  'notes',
  'users',
  'bots',
  'news',
]

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}

function toCamelCase(name: string): string {
  return name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

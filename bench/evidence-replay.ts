import type { TransactionSql } from 'postgres'
import { replayDecision } from 'tradeblotter'
import type { Bench } from './cases.ts'
import { EXCHANGE, prepareBot, prepareInstruments, SYMBOL } from './fixture.ts'
import { compare, type Measured } from './measure.ts'

const DECISIONS = 1_000_000
/** Decisions of this many bots, of whom one is asked. */
const BOTS = 10
const ROUNDS = { warmUp: 200, rounds: 1_000 }

/** The id of a bot's n-th row of a kind: ids of the bench are found again without being kept. */
const idOf = (kind: number) =>
  `('0199' || lpad(to_hex(n), 4, '0') || '-0000-7000-8${kind}00-' || lpad(to_hex(n), 12, '0'))::uuid`

/**
 * Stores a million decisions of ten bots, each with three pieces of evidence of its own, ten checks and a row of history; every tenth has a snapshot, and an order of two fills
 * that opened a position, since closed. Takes some minutes, and some gigabytes.
 */
export async function fillDecisions({ db, sql, run }: Bench): Promise<string[]> {
  await prepareInstruments(db, [SYMBOL])
  const botIds: string[] = []
  for (let i = 0; i < BOTS; i++) botIds.push(await prepareBot(db, `decider-${run}-${i}`))
  for (const botId of botIds) {
    await sql.begin((transaction) => fillBot(transaction, botId))
  }
  for (const table of [
    ...[
      'analysis.technical_signals',
      'analysis.llm_analyses',
      'analysis.ml_predictions',
      'analysis.decisions',
    ],
    ...['analysis.decision_evidence', 'analysis.decision_checks', 'audit.decision_history', 'trading.orders'],
    ...[
      'trading.order_events',
      'trading.fills',
      'trading.positions',
      'snapshots.bundles',
      'snapshots.market',
    ],
  ]) {
    await sql.unsafe(`vacuum analyze ${table}`)
  }
  return botIds
}

/** In one transaction, as a decision and its parts are recorded. */
async function fillBot(sql: TransactionSql, botId: string): Promise<void> {
  const each = DECISIONS / BOTS
  const raw = (text: string) => sql.unsafe(text)
  const bot = `'${botId}'::text`
  const rows = (count: number) => `generate_series(1, ${count}) n`
  const tenth = `generate_series(10, ${each}, 10) n`
  const at = `timestamptz '2026-01-01' + n * interval '1 minute'`
  await raw(`insert into analysis.technical_signals (bot_id, id, symbol, timeframe, signal, confidence, indicators, analysed_at)
    select ${bot}, ${idOf(1)}, '${SYMBOL}', '1h', 'bullish', 0.7, '{"RSI": {"signal": "bullish", "value": 61}}', ${at} from ${rows(each)}`)
  await raw(`insert into analysis.llm_analyses (bot_id, id, symbol, kind, model, sentiment, confidence, summary, prompt_tokens, completion_tokens,
    cost, latency_ms, prompt, response, analysed_at)
    select ${bot}, ${idOf(2)}, '${SYMBOL}', 'sentiment', 'm-1', 'bullish', 0.6, 'it rises', 900, 120, 0.0012, 800, repeat('p', 200), repeat('r', 200), ${at}
    from ${rows(each)}`)
  await raw(`insert into analysis.ml_predictions (bot_id, id, symbol, action, confidence, model_version, predicted_at)
    select ${bot}, ${idOf(3)}, '${SYMBOL}', 'long', 0.8, 'v7', ${at} from ${rows(each)}`)
  await raw(`insert into snapshots.bundles (bot_id, id, reason, exchange, symbols, timeframes, calendar_hours, news_hours, captured_at,
    recorded_until, missing)
    select ${bot}, ${idOf(4)}, 'decision', '${EXCHANGE}', '{${SYMBOL}}', '{1h}', 24, 24, ${at}, ${at}, '[]' from ${tenth}`)
  await raw(`insert into snapshots.market (bot_id, bundle_id, exchange, symbol, timeframe, open_time, open, high, low, close, volume, complete,
    last_price, last_price_at)
    select ${bot}, ${idOf(4)}, '${EXCHANGE}', '${SYMBOL}', '1h', date_trunc('hour', ${at}), 42000, 42100, 41900, 42050, 12.5, true, 42050, ${at}
    from ${tenth}`)
  await raw(`insert into analysis.decisions (bot_id, id, snapshot_id, exchange, symbol, intended_action, confidence, quantity, reasons, decided_at)
    select ${bot}, ${idOf(5)}, case when n % 10 = 0 then ${idOf(4)} end, '${EXCHANGE}', '${SYMBOL}', 'long', 0.8, 0.0125,
      '[{"source": "technical", "signal": "bullish", "weight": 0.4}]', ${at} from ${rows(each)}`)
  await raw(`insert into analysis.decision_evidence (bot_id, decision_id, ordinal, source, technical_signal_id, llm_analysis_id, ml_prediction_id,
    says, weight)
    select ${bot}, ${idOf(5)}, k, (array['technical', 'llm', 'model'])[k], case k when 1 then ${idOf(1)} end, case k when 2 then ${idOf(2)} end,
      case k when 3 then ${idOf(3)} end, 'bullish', 0.3 from ${rows(each)}, generate_series(1, 3) k`)
  await raw(`insert into analysis.decision_checks (bot_id, decision_id, ordinal, code, passed, threshold, actual, unit)
    select ${bot}, ${idOf(5)}, k, 'check_' || k, true, 1000.5 + k, 12.25, 'USD' from ${rows(each)}, generate_series(1, 10) k`)
  await raw(`insert into audit.decision_history (bot_id, action, actor, symbol, rationale, confidence, decision_id, occurred_at)
    select ${bot}, 'ai_proposed', ${bot}, '${SYMBOL}', 'it rises', 0.8, ${idOf(5)}, ${at} from ${tenth}`)
  await raw(`insert into trading.orders (bot_id, id, decision_id, client_order_id, exchange, symbol, side, type, quantity, status, filled_quantity,
    filled_cost, closed_at, created_at)
    select ${bot}, ${idOf(6)}, ${idOf(5)}, 'order-' || n, '${EXCHANGE}', '${SYMBOL}', 'buy', 'market', 0.0125, 'filled', 0.0125, 525, ${at}, ${at}
    from ${tenth}`)
  await raw(`insert into trading.positions (bot_id, id, exchange, symbol, position_side, trade_id, direction, status, instrument_kind, contract_size,
    settle_currency, quantity, cost, peak_quantity, entry_quantity, entry_cost, exit_quantity, exit_value, realised_gross, fees, unvalued_fees, funding,
    fill_count, lot_count, opened_at, closed_at, version)
    select ${bot}, ${idOf(7)}, '${EXCHANGE}', '${SYMBOL}', 'net', analysis.trade_id_of('${EXCHANGE}', '${SYMBOL}', 'buy', n || '-1'), 'long', 'closed',
      'linear', 1, 'USD', 0, 0, 0.0125, 0.0125, 525, 0.0125, 526, 1, 0.2, '{}', 0, 3, 0, ${at}, ${at} + interval '1 hour', 1 from ${tenth}`)
  await raw(`insert into trading.fills (bot_id, id, order_id, exchange, symbol, side, exchange_trade_id, position_side, kind, price, quantity, fee,
    fee_currency, fee_in_settlement, executed_at, sequence, realised_gross, excess_quantity, position_id)
    select ${bot}, case k when 1 then ${idOf(8)} else ${idOf(9)} end, ${idOf(6)}, '${EXCHANGE}', '${SYMBOL}', 'buy', n || '-' || k, 'net', 'trade', 42000,
      0.00625, 0.1, 'USD', 0.1, ${at} + k * interval '1 second', 0, 0, 0, ${idOf(7)} from ${tenth}, generate_series(1, 2) k`)
}

/** The rows of a decision and of what hangs on it, one statement each, as a person would fetch them; nothing is read out of the answers. */
async function readByHand(sql: Bench['sql'], botId: string, id: string): Promise<void> {
  const [decision] = await sql`select * from analysis.decisions where bot_id = ${botId} and id = ${id}`
  await Promise.all([
    sql`select * from analysis.decision_evidence e
      left join analysis.technical_signals t on t.bot_id = e.bot_id and t.id = e.technical_signal_id
      left join analysis.llm_analyses l on l.bot_id = e.bot_id and l.id = e.llm_analysis_id
      left join analysis.ml_predictions m on m.bot_id = e.bot_id and m.id = e.ml_prediction_id
      where e.bot_id = ${botId} and e.decision_id = ${id}`,
    sql`select * from analysis.decision_checks where bot_id = ${botId} and decision_id = ${id}`,
    sql`select * from audit.decision_history where bot_id = ${botId} and decision_id = ${id}`,
    sql`select * from snapshots.market where bot_id = ${botId} and bundle_id = ${decision?.snapshot_id}`,
    sql`select * from trading.orders o
      left join trading.fills f on f.bot_id = o.bot_id and f.order_id = o.id
      left join trading.positions p on p.bot_id = f.bot_id and p.id = f.position_id
      where o.bot_id = ${botId} and o.decision_id = ${id}`,
  ])
}

/** A decision that was traded, out of a million, each time another. */
export async function benchReplay(bench: Bench, botIds?: readonly string[]): Promise<Measured> {
  const { db, sql } = bench
  const bots = botIds ?? (await fillDecisions(bench))
  const traded = (round: number) => {
    const n = (((round * 7_919) % (DECISIONS / BOTS / 10)) + 1) * 10
    const hex = n.toString(16)
    const id = `0199${hex.padStart(4, '0').slice(0, 4)}-0000-7000-8500-${hex.padStart(12, '0')}`
    return { botId: bots[round % BOTS] ?? '', id }
  }
  return await compare('replayDecision (1 million stored)', {
    ...ROUNDS,
    floor: (round) => {
      const { botId, id } = traded(round)
      return readByHand(sql, botId, id)
    },
    ours: (round) => {
      const { botId, id } = traded(round)
      return replayDecision(db, { botId, decisionId: id })
    },
  })
}

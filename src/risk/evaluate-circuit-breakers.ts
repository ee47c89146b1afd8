import { toInstant } from '../db/columns.ts'
import type { Database } from '../db/database.ts'
import { type Amount, toDecimal } from '../db/decimal.ts'
import { found } from '../db/rows.ts'
import { toBotId } from '../fleet/bots.ts'
import {
  type LossWindow,
  readBotSettings,
  readFacts,
  readGlobalSettings,
  readLosses,
  readStandings,
  type WatchedSettings,
} from './breaker-facts.ts'
import { EVERYWHERE } from './breaker-findings.ts'
import {
  type BreakerCheck,
  countsAfter,
  decideBreakers,
  lookup,
  type RuleStanding,
  type WatchedRule,
} from './breaker-rules.ts'
import { type CircuitBreaker, writeTrips } from './breaker-write.ts'
import { observeEquity } from './drawdowns.ts'
import { FLEET_RULE_PREFIX } from './effective-settings.ts'
import { type BreakerRule, nameOfRule } from './schema/breaker-rules.ts'

export interface EvaluateCircuitBreakersInput {
  /** Left out, the rules of scope `global` in the fleet's settings are evaluated, over all bots. */
  readonly botId?: string | undefined
  /** What the bot is worth, in its base currency, if it knows better than its ledger; see `recordDrawdown`. */
  readonly equity?: Amount | undefined
  /** The database's clock unless said otherwise. */
  readonly now?: Date | undefined
}

export interface BreakerEvaluation {
  /** What tripped now: not what holds already. */
  readonly tripped: CircuitBreaker[]
  /** At least one of every rule, with its figures. */
  readonly checks: BreakerCheck[]
}

const EVALUATOR = 'evaluateCircuitBreakers'
/** What the drawdown that halts by the settings is called: no rule has a colon in front of it. */
const HALT_RULE = 'settings:max_drawdown'

/**
 * Asks every breaker rule of the newest settings, the fleet's and the bot's, of the ledger, and trips those whose threshold is
 * reached. The bot's equity is noted first, as `recordDrawdown` does.
 *
 * A rule trips once, however many evaluate at the same time, and not on facts from before somebody ended a trip of it. A figure that
 * cannot be known trips nothing; its check says so. Rules of the fleet's settings are named `fleet:…`, and the drawdown that
 * halts by the settings `settings:max_drawdown`.
 *
 * Without a bot, losses are summed over the bots of each base currency, backtests left out, and a trip stops the whole fleet.
 *
 * @throws `not_found` if the bot is not registered.
 * @throws `invalid_input` if stored rules are none. No rule is passed over in silence.
 */
export async function evaluateCircuitBreakers(
  db: Database,
  input: EvaluateCircuitBreakersInput = {},
): Promise<BreakerEvaluation> {
  const now = input.now === undefined ? undefined : toInstant(input.now, 'now')
  if (input.botId === undefined) return await evaluateFleet(db, now)
  const botId = toBotId(input.botId)
  const equity = input.equity === undefined ? undefined : toDecimal(input.equity, 'equity')
  const settings = found(`bot '${botId}'`, await readBotSettings(db, botId, now))
  const rules = rulesOfBot(settings)
  // Before any fact: whoever ends a trip after this is seen when trips are written.
  const standings = await readStandings(
    db,
    botId,
    rules.map(({ name }) => name),
  )
  const drawdown = await observeEquity(db, { botId, equity, at: settings.now })
  const windows = rules.flatMap((watched) => windowOf(watched, [settings.baseCurrency], standings))
  const losses = await readLosses(db, botId, settings, windows)
  const others = await readFacts(db, botId, factsAsked(settings, rules, standings))
  const facts = {
    ...settings,
    ...others,
    losses: new Map(losses.map((loss) => [loss.rule, loss])),
    drawdownFraction: drawdown?.watchedDrawdownFraction ?? null,
  }
  const { checks, trips } = decideBreakers(facts, rules, standings)
  return { tripped: await writeTrips(db, botId, trips, EVALUATOR, settings.now), checks }
}

async function evaluateFleet(db: Database, now: Date | undefined): Promise<BreakerEvaluation> {
  const settings = await readGlobalSettings(db, now)
  const rules = settings.fleetRules.filter(isGlobal).map(ofFleet)
  if (rules.length === 0) return { tripped: [], checks: [] }
  const standings = await readStandings(
    db,
    null,
    rules.map(({ name }) => name),
  )
  const prefix = (name: string) => `${name}:`
  const windows = rules.flatMap((watched) => {
    const currencies = standings.flatMap(({ rule }) =>
      rule.startsWith(prefix(watched.name)) ? [rule.slice(prefix(watched.name).length)] : [],
    )
    return windowOf(watched, currencies, standings, prefix(watched.name))
  })
  const losses = await readLosses(db, null, settings, windows)
  // Per base currency a rule of its own: amounts of two currencies are no sum.
  const watched = rules.flatMap(({ name, rule }) =>
    losses
      .filter((loss) => loss.rule === name)
      .map(({ currency }) => ({ name: `${prefix(name)}${currency}`, rule, currency })),
  )
  const facts = {
    ...settings,
    losses: new Map(losses.map((loss) => [`${prefix(loss.rule)}${loss.currency}`, loss])),
    trades: [],
    drawdownFraction: null,
    orders: new Map(),
    priceSeenAt: new Map(),
  }
  const { checks, trips } = decideBreakers(facts, watched, standings)
  return { tripped: await writeTrips(db, null, trips, EVALUATOR, settings.now), checks }
}

function isGlobal(rule: BreakerRule): boolean {
  return 'scope' in rule && rule.scope === 'global'
}

function ofFleet(rule: BreakerRule): WatchedRule {
  return { name: `${FLEET_RULE_PREFIX}${nameOfRule(rule)}`, rule }
}

/** A bot's own rule is about the bot, whatever scope it names. */
function rulesOfBot({ fleetRules, ownRules, haltFraction }: WatchedSettings): WatchedRule[] {
  const halt: WatchedRule[] =
    haltFraction === null
      ? []
      : [
          {
            name: HALT_RULE,
            rule: {
              trigger: 'max_drawdown',
              fraction: haltFraction,
              cooldownMs: null,
              severity: 'emergency',
            },
          },
        ]
  return [
    ...halt,
    ...fleetRules.filter((rule) => !isGlobal(rule)).map(ofFleet),
    ...ownRules.map((rule) => ({ name: nameOfRule(rule), rule })),
  ]
}

const UNITS = { max_daily_loss: 'day', max_weekly_loss: 'week', rapid_loss: 'window' } as const

/** What a rule about losses looks back on; nothing for another rule. */
function windowOf(
  watched: WatchedRule,
  currencies: readonly string[],
  standings: readonly RuleStanding[],
  prefix?: string,
): LossWindow[] {
  const { name, rule } = watched
  if (
    rule.trigger !== 'max_daily_loss' &&
    rule.trigger !== 'max_weekly_loss' &&
    rule.trigger !== 'rapid_loss'
  )
    return []
  const standingOf = lookup(standings)
  const starts = currencies.flatMap((currency) => {
    const standing = standingOf(prefix === undefined ? name : `${prefix}${currency}`, EVERYWHERE)
    const after = countsAfter(watched, standing)
    return after ? [[currency, after] as const] : []
  })
  return [
    {
      rule: name,
      unit: UNITS[rule.trigger],
      windowMs: rule.trigger === 'rapid_loss' ? rule.windowMs : null,
      wantsEquity: rule.fraction !== undefined,
      countsAfter: Object.fromEntries(starts),
    },
  ]
}

/** What has to be read for the rules that are not about sums. */
function factsAsked(
  settings: WatchedSettings,
  watched: readonly WatchedRule[],
  standings: readonly RuleStanding[],
) {
  const { now, maxPriceAgeMs } = settings
  const back = (ms: number) => new Date(now.getTime() - ms)
  const standingOf = lookup(standings)
  const streaks: { breadth: string; count: number; dust: string }[] = []
  const orders: { rule: string; after: Date }[] = []
  const symbols: string[] = []
  let tradesMs = 0
  for (const one of watched) {
    const { name, rule } = one
    switch (rule.trigger) {
      case 'consecutive_losses':
        streaks.push({ breadth: rule.scope, count: rule.count, dust: rule.dust })
        break
      case 'stop_loss_cluster':
      case 'low_profit':
        tradesMs = Math.max(tradesMs, rule.windowMs)
        break
      case 'cooldown':
        tradesMs = Math.max(tradesMs, rule.cooldownMs)
        break
      case 'order_errors': {
        const after = countsAfter(one, standingOf(name, EVERYWHERE))
        const start = back(rule.windowMs)
        orders.push({ rule: name, after: after && after > start ? after : start })
        break
      }
      case 'stale_market_data':
        symbols.push(...rule.symbols)
    }
  }
  return { now, maxPriceAgeMs, tradesAfter: tradesMs > 0 ? back(tradesMs) : null, streaks, orders, symbols }
}

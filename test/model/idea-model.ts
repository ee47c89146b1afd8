// What becomes of a trade idea, written from the rules alone: no table, no SQL.

export interface Situation {
  readonly isAutoTradingOn: boolean
  readonly confidence: number
  /** Null where nobody set one. */
  readonly minConfidence: number | null
  /** Null for an idea of no strategy. */
  readonly strategy: {
    readonly isActive: boolean
    readonly allowsSymbol: boolean
    readonly isInWindow: boolean
    readonly isEmbargo: boolean
    readonly maxQuantity: number | null
    /** How many symbols it may hold, and how many it holds, this one not among them. */
    readonly maxOpenPositions: number | null
    readonly openPositions: number
  } | null
  readonly quantity: number
  readonly maxQuantity: number | null
  /** Symbols held by whomever, this one not among them. */
  readonly openPositions: number
  readonly maxOpenPositions: number | null
  /** Null where the equity was not observed. */
  readonly drawdown: number | null
  readonly maxDrawdown: number | null
  readonly haltOnDrawdown: boolean
  /** Net profit of the day. */
  readonly dayProfit: number
  readonly dailyTarget: number | null
  readonly stopAtDailyTarget: boolean
  readonly isKillSwitchOn: boolean
  readonly isSymbolLocked: boolean
  readonly isOnWatchlist: boolean
  readonly offWatchlistAllowed: boolean
  readonly isExpired: boolean
  readonly isDecisionVetoed: boolean
}

export interface Outcome {
  readonly status: 'needs_approval' | 'auto_executed' | 'rejected' | 'halted_by_risk'
  /** Why automatic trading was switched off by this, or null. */
  readonly switchedOff: 'max_drawdown' | 'daily_target_reached' | null
  /** What is written down, in this order. */
  readonly history: readonly string[]
}

/** Asked of ideas where no confidence is set. */
const LEAST_CONFIDENCE = 0.9

/** What stands against an idea that a human cannot overrule. */
function isForbidden(s: Situation): boolean {
  const { strategy } = s
  const isOverLimits =
    (s.maxQuantity !== null && s.quantity > s.maxQuantity) ||
    (s.maxOpenPositions !== null && s.openPositions >= s.maxOpenPositions) ||
    // Nobody knows: that is no breach, but no order either.
    (s.maxDrawdown !== null && s.drawdown === null)
  const isAgainstStrategy =
    strategy !== null &&
    (!strategy.isActive ||
      !strategy.allowsSymbol ||
      !strategy.isInWindow ||
      strategy.isEmbargo ||
      (strategy.maxQuantity !== null && s.quantity > strategy.maxQuantity) ||
      (strategy.maxOpenPositions !== null && strategy.openPositions >= strategy.maxOpenPositions))
  return (
    isOverLimits ||
    isAgainstStrategy ||
    s.isKillSwitchOn ||
    s.isSymbolLocked ||
    s.isExpired ||
    s.isDecisionVetoed ||
    (!s.isOnWatchlist && !s.offWatchlistAllowed)
  )
}

const isDrawdownBreach = (s: Situation) =>
  s.maxDrawdown !== null && s.drawdown !== null && s.drawdown >= s.maxDrawdown
const isTargetReached = (s: Situation) =>
  s.dailyTarget !== null && s.stopAtDailyTarget && s.dayProfit >= s.dailyTarget

/** What a breach does to an idea, whoever wanted it executed. */
function stopped(s: Situation, before: readonly string[]): Outcome | undefined {
  const history = [...before, 'risk_rejected']
  if (isDrawdownBreach(s)) {
    const isSwitched = s.haltOnDrawdown && s.isAutoTradingOn
    return {
      status: 'halted_by_risk',
      switchedOff: isSwitched ? 'max_drawdown' : null,
      history: isSwitched ? [...history, 'ai_halted'] : history,
    }
  }
  if (isTargetReached(s)) {
    return {
      status: 'rejected',
      switchedOff: s.isAutoTradingOn ? 'daily_target_reached' : null,
      history: s.isAutoTradingOn ? [...history, 'ai_halted'] : history,
    }
  }
  return isForbidden(s) ? { status: 'rejected', switchedOff: null, history } : undefined
}

/** What becomes of an idea when it is proposed. */
export function decideProposal(s: Situation): Outcome {
  const halt = stopped(s, ['ai_proposed'])
  if (halt) return halt
  const isSure = s.confidence >= (s.minConfidence ?? LEAST_CONFIDENCE)
  if (!s.isAutoTradingOn || !isSure || s.strategy === null) {
    return { status: 'needs_approval', switchedOff: null, history: ['ai_proposed'] }
  }
  return { status: 'auto_executed', switchedOff: null, history: ['ai_proposed', 'ai_auto_executed'] }
}

/** What becomes of an idea that needs approval when a human approves it. */
export function decideApproval(s: Situation): Outcome {
  return stopped(s, []) ?? { status: 'auto_executed', switchedOff: null, history: ['human_approved'] }
}

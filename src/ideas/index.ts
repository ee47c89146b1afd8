export {
  type AutoTrading,
  getAutoTrading,
  type HaltAutoTradingInput,
  haltAutoTrading,
  type ResumeAutoTradingInput,
  resumeAutoTrading,
} from './auto-trading.ts'
export {
  APPROVABLE_CODES,
  type ApproveTradeIdeaInput,
  approveTradeIdea,
  type ExecutedIdea,
  IDEA_CHECK_CODES,
  type IdeaBlock,
  type IdeaCheckCode,
  type IdeaOutcome,
  LEAST_CONFIDENCE,
  proposeTradeIdea,
  type RejectTradeIdeaInput,
  rejectTradeIdea,
  type UnexecutedIdea,
} from './decide.ts'
export type { ProposeTradeIdeaInput } from './idea-input.ts'
export {
  IDEA_ORDER_TYPES,
  IDEA_STATUSES,
  type IdeaOrderType,
  type IdeaStatus,
} from './schema/trade-ideas.ts'
export {
  getTradeIdea,
  type ListTradeIdeasInput,
  listTradeIdeas,
  type TradeIdea,
  type TradeIdeaKey,
} from './trade-ideas.ts'

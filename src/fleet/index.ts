export {
  type BotConfiguration,
  type GetBotConfigurationInput,
  getBotConfiguration,
  type ListBotConfigurationsInput,
  listBotConfigurations,
  type SetBotConfigurationInput,
  setBotConfiguration,
} from './bot-configurations.ts'
export {
  type Bot,
  findBot,
  getBot,
  type ListStaleBotsInput,
  listBots,
  listStaleBots,
  type RecordHeartbeatInput,
  type RegisterBotInput,
  recordHeartbeat,
  registerBot,
  type SetBotStatusInput,
  setBotStatus,
} from './bots.ts'
export { COST_BASIS_METHODS, type CostBasisMethod } from './cost-basis.ts'
export { findNote, type Note, type SetNoteInput, setNote } from './notes.ts'
export { BOT_MODES, BOT_STATUSES, type BotMode, type BotStatus, type JsonValue } from './schema.ts'
export { findSetting, type SetSettingInput, type Setting, setSetting } from './settings.ts'

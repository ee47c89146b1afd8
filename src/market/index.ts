export { INSTRUMENT_KINDS, type InstrumentKind } from './instrument-kinds.ts'
export {
  findInstrument,
  getInstrument,
  type Instrument,
  type ListInstrumentsInput,
  listInstruments,
  type SetInstrumentInput,
  setInstrument,
} from './instruments.ts'
export { INSTRUMENT_STATUSES, type InstrumentStatus } from './schema.ts'

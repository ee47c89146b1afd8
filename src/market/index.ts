export {
  findInstrument,
  getInstrument,
  type Instrument,
  type ListInstrumentsInput,
  listInstruments,
  type SetInstrumentInput,
  setInstrument,
} from './instruments.ts'
export {
  INSTRUMENT_KINDS,
  INSTRUMENT_STATUSES,
  type InstrumentKind,
  type InstrumentStatus,
} from './schema.ts'

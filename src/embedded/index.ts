export { type ConnectEmbeddedOptions, connectEmbedded } from './connect-embedded.ts'

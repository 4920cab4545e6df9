import { start } from './start.ts'

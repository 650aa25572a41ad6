/** Where drizzle-kit finds the schemas and puts the migrations it generates. */

import { defineConfig } from 'drizzle-kit'

export default defineConfig({
  dialect: 'sqlite',
  schema: ['./server/auth/schema.sqlite.ts', './modules/*/schema.sqlite.ts'],
  out: './migrations/sqlite',
  casing: 'snake_case',
})

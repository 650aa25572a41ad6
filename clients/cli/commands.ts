/** Every command of the program. */

import type { Commands } from './main.ts'
import { ABOUT_SERVE } from './serve-about.ts'

/** A command is loaded when it is asked for: together they are four fifths of the program. */
export const COMMANDS: Commands = {
  serve: {
    about: ABOUT_SERVE,
    load: async () => (await import('./serve.ts')).serveCommand,
  },
  demo: {
    about: 'Run the whole ecosystem on this machine: collect this host, evaluate it, report, restart, ask again.',
    load: async () => (await import('./demo.ts')).demoCommand,
  },
  user: { about: 'Manage accounts.', load: async () => (await import('./user.ts')).userCommand },
  role: { about: 'Grant and revoke roles.', load: async () => (await import('./user.ts')).roleCommand },
  cert: { about: 'Manage certificates.', load: async () => (await import('./cert.ts')).certCommand },
  component: {
    about: 'Manage external components (XEP-0114).',
    load: async () => (await import('./component.ts')).componentCommand,
  },
  collector: {
    about: 'Run the collector of this host until a signal ends it.',
    load: async () => (await import('./collector.ts')).collectorCommand,
  },
  evaluator: {
    about: 'Run the evaluator until a signal ends it.',
    load: async () => (await import('./evaluator.ts')).evaluatorCommand,
  },
  orchestrator: {
    about: 'Run the orchestrator until a signal ends it: components register with it, and it keeps the inventory.',
    load: async () => (await import('./orchestrator.ts')).orchestratorCommand,
  },
  repo: {
    about: 'Ask the repository for endpoints, posture, results and policies.',
    load: async () => (await import('./repo.ts')).repoCommand,
  },
  backup: {
    about: 'Write the database, keys, certificates and uploads to one file; a running server goes on.',
    load: async () => (await import('./backup.ts')).backupCommand,
  },
  restore: {
    about: 'Put a backup into the data folder, which no server may run on.',
    load: async () => (await import('./backup.ts')).restoreCommand,
  },
  config: {
    about: 'Print every option: its value, where that came from, its unit and bounds.',
    load: async () => (await import('./config.ts')).configCommand,
  },
  version: {
    about: 'Print the version, and with --specs the specifications implemented.',
    load: async () => (await import('./version.ts')).versionCommand,
  },
}

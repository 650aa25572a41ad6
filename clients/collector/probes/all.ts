/** Every probe of the `system` capability, in the order of their names. NAMES.md lists the attributes of each. */

import type { Probe } from '../probe.ts'
import { accountsPolicy } from './accounts-policy.ts'
import { boot } from './boot.ts'
import { cpu } from './cpu.ts'
import { cron } from './cron.ts'
import { files } from './files.ts'
import { firewall } from './firewall.ts'
import { groups } from './groups.ts'
import { init } from './init.ts'
import { kernel } from './kernel.ts'
import { listening } from './listening.ts'
import { machine } from './machine.ts'
import { mandatoryAccess } from './mandatory-access.ts'
import { modules } from './modules.ts'
import { mounts } from './mounts.ts'
import { os } from './os.ts'
import { packages } from './packages.ts'
import { pam } from './pam.ts'
import { services } from './services.ts'
import { sshd } from './sshd.ts'
import { sudo } from './sudo.ts'
import { sysctl } from './sysctl.ts'
import { users } from './users.ts'

export const allProbes: readonly Probe[] = [
  accountsPolicy,
  boot,
  cpu,
  cron,
  files,
  firewall,
  groups,
  init,
  kernel,
  listening,
  machine,
  mandatoryAccess,
  modules,
  mounts,
  os,
  packages,
  pam,
  services,
  sshd,
  sudo,
  sysctl,
  users,
]
